/** Numbers of the vhost-user protocol, by its own names (QEMU, docs/interop/vhost-user.rst). */

/** Requests of the front end, without their prefix VHOST_USER_. */
export const REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SET_BACKEND_REQ_FD: 21,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  CREATE_CRYPTO_SESSION: 26,
  CLOSE_CRYPTO_SESSION: 27,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  RESET_DEVICE: 34,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
} as const;

/** Requests of the back end, on the socket that SET_BACKEND_REQ_FD brings. */
export const BACKEND_REQUEST = { CONFIG_CHANGE_MSG: 2 } as const;

export type RequestName = keyof typeof REQUEST;
export type RequestNumber = (typeof REQUEST)[RequestName];

const names = new Map<number, RequestName>(
  Object.entries(REQUEST).map(([name, number]) => [number, name as RequestName]),
);

/** `GET_FEATURES`, or `request 99`. */
export function requestName(request: number): string {
  return names.get(request) ?? `request ${request}`;
}

/** Header flags. */
export const VERSION_MASK = 3;
export const VERSION_1 = 1;
export const FLAG_REPLY = 4;
export const FLAG_NEED_REPLY = 8;

/** Feature bits that belong to vhost and not to virtio. */
export const VHOST_F_LOG_ALL = 1n << 26n;
export const VHOST_USER_F_PROTOCOL_FEATURES = 1n << 30n;

/** Protocol features. */
export const PROTOCOL_F_MQ = 1n << 0n;
export const PROTOCOL_F_LOG_SHMFD = 1n << 1n;
export const PROTOCOL_F_REPLY_ACK = 1n << 3n;
export const PROTOCOL_F_BACKEND_REQ = 1n << 5n;
export const PROTOCOL_F_CRYPTO_SESSION = 1n << 7n;
export const PROTOCOL_F_CONFIG = 1n << 9n;
export const PROTOCOL_F_INFLIGHT_SHMFD = 1n << 12n;
export const PROTOCOL_F_RESET_DEVICE = 1n << 13n;
export const PROTOCOL_F_CONFIGURE_MEM_SLOTS = 1n << 15n;
export const PROTOCOL_F_STATUS = 1n << 16n;

/** Regions of one SET_MEM_TABLE. */
export const MEM_TABLE_REGIONS_MAX = 8;
/** Bytes of configuration space that one message can carry. */
export const CONFIG_SPACE_MAX = 256;
/** Bits of the u64 of SET_VRING_KICK, CALL and ERR. */
export const VRING_INDEX_MASK = 0xffn;
export const VRING_NOFD = 0x100n;
/** Flag of SET_VRING_ADDR: log writes to the used ring. */
export const VRING_F_LOG = 1;
/** SET_CONFIG as part of a migration, which may write what the driver may not. */
export const CONFIG_FLAG_MIGRATION = 1;
/** Payload of CREATE_CRYPTO_SESSION, in bytes: QEMU up to 7.2 (and DPDK), and QEMU from 8.0 on. */
export const CRYPTO_SESSION_SIZES = [632, 1072] as const;
