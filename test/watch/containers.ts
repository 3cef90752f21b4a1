import { seededNoise } from '../helpers/seeded.ts'

/** A safetensors file with one tensor of so many bytes. */
export function safetensors(seed: number, bytes: number): Buffer {
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'U8', shape: [bytes], data_offsets: [0, bytes] } }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, seededNoise(seed, bytes)])
}

/** An array of so many bytes as numpy saves it. */
export function npy(seed: number, bytes: number): Buffer {
  const dictionary = `{'descr': '|u1', 'fortran_order': False, 'shape': (${bytes},), }`
  const header = Buffer.from(`${dictionary.padEnd(117)}\n`)
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([header.length, 0]), header, seededNoise(seed, bytes)])
}

/** A zip with one stored file, as torch.save writes around its tensors; its checksum is of no account here. */
export function zip(seed: number, bytes: number): Buffer {
  const name = Buffer.from('archive/data/0')
  const content = seededNoise(seed, bytes)
  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  local.writeUInt32LE(bytes, 18)
  local.writeUInt32LE(bytes, 22)
  local.writeUInt16LE(name.length, 26)
  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt32LE(bytes, 20)
  central.writeUInt32LE(bytes, 24)
  central.writeUInt16LE(name.length, 28)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length + name.length, 12)
  end.writeUInt32LE(local.length + name.length + bytes, 16)
  return Buffer.concat([local, name, content, central, name, end])
}
