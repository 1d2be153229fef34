/** The requests of the device benchmark, byte by byte as docs/virtio-cryptodev.md has them. */

/** What is measured. */
export type Work = {
  /** As `openssl speed` calls it. */
  readonly name: string;
  /** Cipher number and key length. */
  readonly cipher: number;
  readonly keyLength: number;
  readonly ioctl: number;
  readonly ivLength: number;
  /** Bytes of the result for that many of data. */
  result(bytes: number): number;
};

export const works: readonly Work[] = [
  { name: 'aes-128-cbc', cipher: 11, keyLength: 16, ioctl: 104, ivLength: 16, result: (bytes) => bytes },
  { name: 'aes-256-gcm', cipher: 50, keyLength: 32, ioctl: 109, ivLength: 12, result: (bytes) => bytes + 16 },
];

const headerLength = 48;
const OPEN = 1;
const IOCTL = 3;
const CIOCGSESSION = 102;

export const encodeRequest = {
  open(): Uint8Array {
    return request(0, (view) => view.setUint16(0, OPEN, true));
  },

  session(work: Work, handle: number): Uint8Array {
    return request(work.keyLength, (view) => {
      view.setUint16(0, IOCTL, true);
      view.setUint16(2, CIOCGSESSION, true);
      view.setUint32(4, handle, true);
      view.setUint16(30, work.keyLength, true);
      view.setUint32(36, work.cipher, true);
    });
  },

  operation(work: Work, handle: number, session: number, bytes: number): Uint8Array {
    return request(work.ivLength + bytes, (view) => {
      view.setUint16(0, IOCTL, true);
      view.setUint16(2, work.ioctl, true);
      view.setUint32(4, handle, true);
      view.setUint32(8, session, true);
      view.setUint32(16, bytes, true);
      view.setUint16(24, work.ivLength, true);
    });
  },
};

function request(length: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(headerLength + length);
  fill(new DataView(bytes.buffer));
  return bytes;
}
