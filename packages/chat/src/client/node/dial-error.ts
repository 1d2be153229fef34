/** Why a server cannot be reached, in words that say what to do: often a port is there that speaks something else. */
import { isWebSocket, type ServerAddress } from '../../encryption/server-address.ts';
import { TRANSPORT_NAMES } from '../other-port.ts';

/** What `node:net`, `node:tls` and `ws` fail with. */
type DialError = Error & {
  readonly code?: string;
  /** Where names were compared, that of the server. */
  readonly cert?: { readonly subjectaltname?: string };
};

/** Certificates of whose signers none is trusted. */
const UNTRUSTED: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

/** A phrase, for behind a colon. @param error of dialing `address` */
export function whyNotReached(address: ServerAddress, error: unknown): string {
  // Of a name with several addresses Node reports one error for each.
  if (error instanceof AggregateError) {
    return [...new Set(error.errors.map((one) => whyNotReached(address, one)))].join('; ');
  }
  if (!(error instanceof Error)) return String(error);
  return aboutSystem(address, error) ?? aboutTransport(address, error) ?? error.message.trim();
}

/** Whether the server has a certificate that some authority has signed which is not trusted here. */
export function isUntrusted(error: unknown): boolean {
  return UNTRUSTED.includes((error as DialError | undefined)?.code ?? '');
}

function aboutSystem({ host }: ServerAddress, { code }: DialError): string | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return 'no server listens there';
    case 'ENOTFOUND':
      return `there is no host ${host}; is the name right?`;
    case 'EAI_AGAIN':
      return `the name ${host} cannot be looked up now; is the network up?`;
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return 'nothing leads there from here; is the network up?';
    case 'ETIMEDOUT':
      return 'nothing answers there';
    default:
      return undefined;
  }
}

function aboutTransport(address: ServerAddress, error: DialError): string | undefined {
  const { transport, host } = address;
  // Of what aborted it, it is a number.
  const code = typeof error.code === 'string' ? error.code : '';
  const overTls = transport === 'tls' || transport === 'wss';
  if (isUntrusted(error)) return `its certificate is signed by nobody who is trusted here (${error.message})`;
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired';
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet; is the clock here right?';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is not for ${host}, but for ${error.cert?.subjectaltname || 'others'}`;
  }
  if (overTls && /^(ERR_SSL_|EPROTO$)/.test(code)) return `that port speaks no TLS; ${TRANSPORT_NAMES}`;
  if (isWebSocket(address)) {
    if (code.startsWith('HPE_')) return `that port speaks no HTTP; ${TRANSPORT_NAMES}`;
    const [, status] = /^Unexpected server response: (\d+)$/.exec(error.message) ?? [];
    if (status !== undefined) {
      return `a web server is there that has no skytale at ${address.path || '/ws'} (its answer is ${status})`;
    }
  }
  if (code !== 'ECONNRESET') return undefined;
  if (overTls) return `it hangs up when TLS is begun, as a port without TLS does; ${TRANSPORT_NAMES}`;
  return isWebSocket(address)
    ? `it hangs up on a request by HTTP, as a port for TLS does; ${TRANSPORT_NAMES}`
    : undefined;
}
