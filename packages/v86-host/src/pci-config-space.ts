/**
 * The PCI configuration space of a virtio device: VIRTIO 1.3, sections 4.1.2 and 4.1.4. All registers of the
 * device lie in one I/O BAR, one structure after the other; the capabilities say where.
 */

/** PCI vendor ID of virtio (4.1.2). */
const VENDOR_ID = 0x1af4;
/** PCI device ID of the device type 0 (4.1.2.1): no transitional devices here. */
const DEVICE_ID_BASE = 0x1040;
/** A subsystem ID of 0x40 or more tells legacy drivers to keep away (4.1.2.1). */
const SUBSYSTEM_ID = 0x1100;
const REVISION_ID = 1;
/** "Device does not fit in any defined class". */
const BASE_CLASS_OTHER = 0xff;

const COMMAND_IO_AND_BUS_MASTER = 0x5;
const STATUS_CAPABILITIES_LIST = 0x10;
const INTERRUPT_PIN_A = 1;
const BAR_IS_IO = 1;

/** Offsets in the configuration space (PCI Local Bus 3.0, 6.1). */
const BAR_0 = 0x10;
const CAPABILITIES_POINTER = 0x34;
const FIRST_CAPABILITY = 0x40;

/** Types of structure (4.1.4). */
const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const VIRTIO_PCI_CAP_PCI_CFG = 5;
const CAP_ID_VENDOR_SPECIFIC = 9;
/** Size of virtio_pci_cap; two types append a le32. */
const CAP_SIZE = 16;

/** Where the structures are in the BAR, with their lengths, in bytes. */
export const COMMON_CONFIG = { offset: 0x00, length: 64 } as const;
export const ISR_STATUS = { offset: 0x40, length: 1 } as const;
/** One address for all queues: the multiplier is 0, the value written names the queue (4.1.4.4, 4.1.5.2). */
export const NOTIFY = { offset: 0x44, length: 4 } as const;
export const DEVICE_CONFIG_OFFSET = 0x48;

/** Most bytes of device configuration space that this transport carries. */
export const DEVICE_CONFIG_MAX = 0x1000 - DEVICE_CONFIG_OFFSET;

/** Places of the PCI configuration access capability (4.1.4.9). */
export interface ConfigAccessPlaces {
  /** u8: which BAR. */
  readonly bar: number;
  /** le32: where in the BAR. */
  readonly offset: number;
  /** le32: how many bytes; 1, 2 or 4. */
  readonly length: number;
  /** The window itself, 4 bytes. */
  readonly data: number;
}

export interface PciConfigSpace {
  /** 256 bytes; the type 0 header and the capabilities. */
  readonly bytes: Uint8Array;
  /** Bytes of I/O space that BAR 0 takes, a power of two. */
  readonly barSize: number;
  readonly configAccess: ConfigAccessPlaces;
}

/** Bytes of I/O space for a device with so much configuration space. */
export function barSizeFor(configLength: number): number {
  return 2 ** Math.ceil(Math.log2(DEVICE_CONFIG_OFFSET + configLength));
}

/**
 * The configuration space of a virtio device after reset, as firmware that has set BAR 0 to `ioBase` leaves it.
 * @param configLength bytes of the device's own configuration space
 * @throws {RangeError} if the device ID or `configLength` cannot be carried
 */
export function pciConfigSpace(deviceId: number, configLength: number, ioBase: number): PciConfigSpace {
  if (!(Number.isInteger(deviceId) && deviceId >= 1 && deviceId <= 63))
    throw new RangeError(`device ID ${deviceId} has no PCI device ID: those of virtio are 1 to 63`);
  if (configLength > DEVICE_CONFIG_MAX)
    throw new RangeError(
      `${configLength} bytes of configuration space do not fit: ${DEVICE_CONFIG_MAX} is most`,
    );
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint16(0x00, VENDOR_ID, true);
  view.setUint16(0x02, DEVICE_ID_BASE + deviceId, true);
  view.setUint16(0x04, COMMAND_IO_AND_BUS_MASTER, true);
  view.setUint16(0x06, STATUS_CAPABILITIES_LIST, true);
  bytes[0x08] = REVISION_ID;
  bytes[0x0b] = BASE_CLASS_OTHER;
  view.setUint32(BAR_0, ioBase | BAR_IS_IO, true);
  view.setUint16(0x2c, VENDOR_ID, true);
  view.setUint16(0x2e, SUBSYSTEM_ID, true);
  bytes[CAPABILITIES_POINTER] = FIRST_CAPABILITY;
  bytes[0x3d] = INTERRUPT_PIN_A;
  const last = writeCapabilities(view, configLength);
  const configAccess = { bar: last + 4, offset: last + 8, length: last + 12, data: last + CAP_SIZE };
  return { bytes, barSize: barSizeFor(configLength), configAccess };
}

interface Capability {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly appended?: number;
}

/** @returns the place of the last one, which is that for configuration access */
function writeCapabilities(view: DataView, configLength: number): number {
  const capabilities: Capability[] = [
    { type: VIRTIO_PCI_CAP_COMMON_CFG, ...COMMON_CONFIG },
    { type: VIRTIO_PCI_CAP_NOTIFY_CFG, ...NOTIFY, appended: 0 },
    { type: VIRTIO_PCI_CAP_ISR_CFG, ...ISR_STATUS },
  ];
  if (configLength > 0)
    capabilities.push({
      type: VIRTIO_PCI_CAP_DEVICE_CFG,
      offset: DEVICE_CONFIG_OFFSET,
      length: configLength,
    });
  capabilities.push({ type: VIRTIO_PCI_CAP_PCI_CFG, offset: 0, length: 0, appended: 0 });
  let at = FIRST_CAPABILITY;
  for (const [i, { type, offset, length, appended }] of capabilities.entries()) {
    const size = appended === undefined ? CAP_SIZE : CAP_SIZE + 4;
    view.setUint8(at, CAP_ID_VENDOR_SPECIFIC);
    view.setUint8(at + 1, i === capabilities.length - 1 ? 0 : at + size);
    view.setUint8(at + 2, size);
    view.setUint8(at + 3, type);
    view.setUint32(at + 8, offset, true);
    view.setUint32(at + 12, length, true);
    if (i < capabilities.length - 1) at += size;
  }
  return at;
}
