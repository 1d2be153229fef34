import { testChatCrypto } from './crypto.cases.ts';
import { nodeCrypto } from './node-crypto.ts';

testChatCrypto('node', nodeCrypto());
testChatCrypto('node, in one thread', nodeCrypto({ threadPool: false }));
