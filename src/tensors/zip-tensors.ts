import * as zlib from 'node:zlib'
import { isHdf5 } from '../chunking/layouts/hdf5.ts'
import { elementsOf, MAX_TENSORS, readExactly, refuse } from '../chunking/layouts/span.ts'
import { readTorchTensors, type TorchTensor } from '../chunking/layouts/torch-tensors.ts'
import { dataOffset, isStored, METHOD_DEFLATED, readMembers, type ZipMember } from '../chunking/layouts/zip.ts'
import { itemBytes } from '../util/element-type.ts'
import { AppError } from '../util/errors.ts'
import { readHdf5File } from './hdf5-tensors.ts'
import { readNpy } from './numpy-tensors.ts'
import { type ByteSource, elementSpan, type Tensor, type TensorFile, unlessContiguous } from './tensor.ts'

const MAX_PICKLE_BYTES = 16 * 1024 * 1024
/** Bytes read of a deflated member, and bytes inflated of them: more than the header of an array takes. */
const PREFIX_BYTES = 16 * 1024
const MAX_PREFIX_PLAIN_BYTES = 80 * 1024
/** The smallest buffer that node:zlib allows. */
const MIN_ROOM_BYTES = 64

/**
 * A zip archive with the tensors of torch.save, or the arrays of numpy.savez. Time and memory: linear in the number and
 * the length of its members' headers.
 */
export async function readZip(subject: string, source: ByteSource): Promise<TensorFile> {
  const members = await readMembers(source.size, source.read)
  if (members.some(member => isStored(member) && member.length !== member.storedLength)) refuse('a stored member changes its size')
  const pickle = members.find(({ name }) => /(^|\/)data\.pkl$/.test(name))
  if (pickle !== undefined) return { format: 'PyTorch', metadata: new Map(), tensors: await readTorch(members, pickle, source) }
  const arrays = members.filter(({ name }) => name.endsWith('.npy'))
  if (arrays.length > 0) return { format: 'NumPy', metadata: new Map(), tensors: await readArrays(arrays, source) }
  const model = members.find(({ name }) => /\.(h5|hdf5)$/.test(name))
  if (model !== undefined && isStored(model)) {
    const inside = await storedMember(model, source)
    if (isHdf5(await inside.read(0, 8))) {
      const file = await readHdf5File(inside)
      return { ...file, tensors: file.tensors.map(tensor => ({ ...tensor, member: model })) }
    }
  }
  throw new AppError('unsupported', `${subject} is a zip archive without tensors of a known format.`, {
    hint: 'Archives of torch.save, numpy.savez and Keras are supported, if their members are stored.',
  })
}

async function readTorch(members: ZipMember[], pickle: ZipMember, source: ByteSource): Promise<Tensor[]> {
  if (!isStored(pickle) || pickle.length > MAX_PICKLE_BYTES) refuse('its data.pkl cannot be read')
  const root = pickle.name.slice(0, -'data.pkl'.length)
  const byName = new Map(members.map(member => [member.name, member]))
  const order = byName.get(`${root}byteorder`)
  const bigEndian = order?.length === 3 && Buffer.from(await readMember(order, source)).toString() === 'big'
  const tensors: Tensor[] = []
  const first = new Map<string, string>()
  for (const described of readTorchTensors(await readStored(pickle, source))) {
    if (tensors.length === MAX_TENSORS) refuse('it has too many tensors')
    const { storage, offset, shape, strides } = described
    const member = byName.get(`${root}data/${storage}`) ?? refuse(`storage ${storage} is missing`)
    const tensor = torchTensor(described, member, bigEndian)
    const place = JSON.stringify([storage, offset, shape, strides, tensor.dtype])
    const sharedWith = first.get(place)
    if (sharedWith === undefined) first.set(place, tensor.name)
    tensors.push(sharedWith === undefined ? tensor : { ...tensor, sharedWith })
  }
  return tensors
}

function torchTensor({ name, type, offset, shape, strides }: TorchTensor, member: ZipMember, bigEndian: boolean): Tensor {
  const item = itemBytes(type)
  const count = elementsOf(shape)
  if (count > 0 && (offset + elementSpan(shape, strides)) * item > member.length) refuse('a tensor lies outside of its storage')
  const apart = unlessContiguous(shape, strides)
  const place = {
    name: name === '' ? 'tensor' : name,
    dtype: type.dtype!,
    shape,
    count,
    bytes: count * item,
    type,
    offset: offset * item,
    member,
  }
  return { ...place, ...(bigEndian && type.width > 1 ? { bigEndian } : {}), ...(apart === undefined ? {} : { strides: apart }) }
}

async function readArrays(members: ZipMember[], source: ByteSource): Promise<Tensor[]> {
  const tensors: Tensor[] = []
  for (const member of members) {
    const inside = isStored(member) ? await storedMember(member, source) : await deflatedPrefix(member, source)
    tensors.push({ ...(await readNpy(member.name.replace(/\.npy$/, ''), inside)), member })
  }
  return tensors
}

async function storedMember(member: ZipMember, { size, read }: ByteSource): Promise<ByteSource> {
  const start = await dataOffset(member, size, read)
  return { size: member.length, read: (offset, length) => read(start + offset, length) }
}

/** The start of a deflated member, with the header of its array. */
async function deflatedPrefix(member: ZipMember, source: ByteSource): Promise<ByteSource> {
  const prefix = await inflateStart(await readStored(member, source, PREFIX_BYTES), member)
  return { size: member.length, read: (offset, length) => Promise.resolve(prefix.subarray(offset, offset + length)) }
}

/** All bytes of a member. Time and memory: linear in its stated length, whatever the file holds. */
export async function readMember(member: ZipMember, source: ByteSource): Promise<Uint8Array> {
  if (member.storedLength > mostStored(member.length)) refuse('a member is longer than what it unpacks to')
  const stored = await readStored(member, source)
  if (isStored(member)) return stored
  const plain = inflate(stored, member)
  return plain.length === member.length ? plain : refuse('a member does not have its stated length')
}

async function readStored(member: ZipMember, { size, read }: ByteSource, most = Infinity): Promise<Uint8Array> {
  return readExactly(read, await dataOffset(member, size, read), Math.min(member.storedLength, most))
}

/** Even a poor encoder does not deflate `length` bytes to more. */
function mostStored(length: number): number {
  return length + Math.ceil(length / 8) + 64
}

function inflate(bytes: Uint8Array, member: ZipMember): Uint8Array {
  checkDeflated(member)
  try {
    // one buffer with room for all bytes; Z_SYNC_FLUSH: returns the available output if the end is missing
    const room = Math.max(MIN_ROOM_BYTES, member.length + 1)
    return zlib.inflateRawSync(bytes, { chunkSize: room, maxOutputLength: room, finishFlush: zlib.constants.Z_SYNC_FLUSH })
  } catch {
    return refuse('a deflated member is damaged')
  }
}

/** The first plain bytes. A few kilobytes may inflate to megabytes, which nobody needs here. */
async function inflateStart(bytes: Uint8Array, member: ZipMember): Promise<Uint8Array> {
  checkDeflated(member)
  const pieces: Uint8Array[] = []
  let length = 0
  try {
    const inflater = zlib.createInflateRaw({ finishFlush: zlib.constants.Z_SYNC_FLUSH })
    inflater.end(bytes)
    for await (const piece of inflater as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      length += piece.length
      if (length >= MAX_PREFIX_PLAIN_BYTES) break
    }
  } catch {
    refuse('a deflated member is damaged')
  }
  return Buffer.concat(pieces)
}

function checkDeflated({ method }: ZipMember): void {
  if (method !== METHOD_DEFLATED) refuse(`a member is compressed by method ${method}`)
}
