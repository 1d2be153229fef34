import { testChatCrypto } from '@skytale/chat/testing/crypto';
import { webCrypto } from './web-crypto.ts';

testChatCrypto('WebCrypto', webCrypto());
