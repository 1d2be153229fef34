/** Feature bits in words. */
import type { ModelName } from './models.ts';

/** VIRTIO 1.3, chapter 6, as far as split virtqueues have them; and vhost-user's own bit. */
const common: Readonly<Record<number, string>> = {
  28: 'INDIRECT_DESC',
  29: 'EVENT_IDX',
  30: 'vhost-user PROTOCOL_FEATURES',
  32: 'VERSION_1',
};

const device: Readonly<Record<ModelName, Readonly<Record<number, string>>>> = {
  /** VIRTIO 1.3, section 5.9.3. */
  'virtio-crypto': {
    0: 'REVISION_1',
    1: 'CIPHER_STATELESS_MODE',
    2: 'HASH_STATELESS_MODE',
    3: 'MAC_STATELESS_MODE',
    4: 'AEAD_STATELESS_MODE',
    5: 'AKCIPHER_STATELESS_MODE',
  },
  /** docs/virtio-cryptodev.md, section 3. */
  'virtio-cryptodev': { 0: 'HASH', 1: 'MAC', 2: 'AEAD', 3: 'TLS', 4: 'SRTP', 5: 'CPHASH', 6: 'ONE_SHOT' },
};

/** Protocol features of vhost-user. */
const protocol: Readonly<Record<number, string>> = {
  0: 'MQ',
  3: 'REPLY_ACK',
  5: 'BACKEND_REQ',
  7: 'CRYPTO_SESSION',
  9: 'CONFIG',
  12: 'INFLIGHT_SHMFD',
  13: 'RESET_DEVICE',
  15: 'CONFIGURE_MEM_SLOTS',
  16: 'STATUS',
};

/** The names of the bits that are set, the lowest first; `bit N` for one that has none here. */
export function featureNames(model: ModelName, features: bigint): string[] {
  return namesOf(features, { ...common, ...device[model] });
}

export function protocolFeatureNames(features: bigint): string[] {
  return namesOf(features, protocol);
}

function namesOf(bits: bigint, names: Readonly<Record<number, string>>): string[] {
  return Array.from(bits.toString(2))
    .reverse()
    .flatMap((digit, bit) => (digit === '1' ? [names[bit] ?? `bit ${bit}`] : []));
}
