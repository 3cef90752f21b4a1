/** The number 0x1950a86a20f9469cfc6c, pickled. */
const MAGIC = Buffer.from('\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1')
const PROTO = 0x80
const FRAME = 0x95
/** The first entries of a tar archive of PyTorch 0.1. */
const TAR_NAMES = ['sys_info', 'pickle', 'tensors', 'storages'].map(name => Buffer.from(`${name}\0`, 'latin1'))

/** True for a file of torch.save without zip, by its first 16 bytes. Its pickles may be of protocol 2 to 5. */
export function isLegacyTorch(start: Uint8Array): boolean {
  if (start[0] !== PROTO || start[1]! < 2) return false
  const at = start[2] === FRAME ? 11 : 2
  const magic = start.subarray(at, at + MAGIC.length)
  return magic.length >= 4 && MAGIC.subarray(0, magic.length).equals(magic)
}

/** True for a file of torch.save of PyTorch 0.1, a tar archive. */
export function isTarTorch(start: Uint8Array): boolean {
  return TAR_NAMES.some(name => name.equals(start.subarray(0, name.length)))
}
