/** Addresses of views in structs, which the kernel reads in a call: FFI sees numbers there and holds nothing. */
import koffi from 'koffi';

/** The views whose addresses the call under way has been given. */
const held: Uint8Array[] = [];

/**
 * Makes a call that ends before it returns, with a function for the addresses in it.
 *
 * SAFETY: optimised code may let go of an array after its last use, which taking its address would be. So all are held
 * here until the call has returned.
 */
export function withAddresses<T>(call: (addressOf: (view: Uint8Array) => number) => T): T {
  try {
    return call(addressOf);
  } finally {
    held.length = 0;
  }
}

/**
 * Where a view begins; NULL if it has no bytes.
 * SAFETY: to ask for `buffer` takes a small array off V8's moving heap, for good.
 */
function addressOf(view: Uint8Array): number {
  if (view.buffer.byteLength === 0 || view.length === 0) return 0;
  held.push(view);
  return Number(koffi.address(view));
}
