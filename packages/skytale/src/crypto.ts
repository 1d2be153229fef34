/** The crypto device that the setting --crypto names. */
import { type CryptoDevice, createEngine, EngineDevice } from '@skytale/cryptodev';

export type CryptoChoice = 'auto' | 'virtio' | 'openssl' | 'node' | 'webcrypto';
