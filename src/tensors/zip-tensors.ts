import * as zlib from 'node:zlib'
import { elementsOf, MAX_TENSORS, readExactly, refuse } from '../chunking/layouts/span.ts'
import { readTorchTensors, type TorchTensor } from '../chunking/layouts/torch-tensors.ts'
import { dataOffset, isStored, METHOD_DEFLATED, readMembers, type ZipMember } from '../chunking/layouts/zip.ts'
import { itemBytes } from '../util/element-type.ts'
import { AppError } from '../util/errors.ts'
import { readNpy } from './numpy-tensors.ts'
import { type ByteSource, elementSpan, type Tensor, type TensorFile, unlessContiguous } from './tensor.ts'

const MAX_PICKLE_BYTES = 16 * 1024 * 1024
/** Bytes read of a deflated member. The header of an array is far shorter. */
const PREFIX_BYTES = 16 * 1024
const MAX_PREFIX_PLAIN_BYTES = 32 * 1024 * 1024

/** A zip archive with the tensors of torch.save, or the arrays of numpy.savez. */
export async function readZip(subject: string, source: ByteSource): Promise<TensorFile> {
  const members = await readMembers(source.size, source.read)
  if (members.some(member => isStored(member) && member.length !== member.storedLength)) refuse('a stored member changes its size')
  const pickle = members.find(({ name }) => /(^|\/)data\.pkl$/.test(name))
  if (pickle !== undefined) return { format: 'PyTorch', metadata: new Map(), tensors: await readTorch(members, pickle, source) }
  const arrays = members.filter(({ name }) => name.endsWith('.npy'))
  if (arrays.length > 0) return { format: 'NumPy', metadata: new Map(), tensors: await readArrays(arrays, source) }
  throw new AppError('unsupported', `${subject} is a zip archive without tensors of a known format.`, {
    hint: 'Archives of torch.save and numpy.savez are supported; a .keras file holds HDF5, which is not.',
  })
}

async function readTorch(members: ZipMember[], pickle: ZipMember, source: ByteSource): Promise<Tensor[]> {
  if (!isStored(pickle) || pickle.length > MAX_PICKLE_BYTES) refuse('its data.pkl cannot be read')
  const root = pickle.name.slice(0, -'data.pkl'.length)
  const byName = new Map(members.map(member => [member.name, member]))
  const order = byName.get(`${root}byteorder`)
  const bigEndian = order?.length === 3 && Buffer.from(await readStored(order, source)).toString() === 'big'
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
  const prefix = inflate(await readStored(member, source, PREFIX_BYTES), member, MAX_PREFIX_PLAIN_BYTES)
  return { size: member.length, read: (offset, length) => Promise.resolve(prefix.subarray(offset, offset + length)) }
}

/** All bytes of a member. */
export async function readMember(member: ZipMember, source: ByteSource): Promise<Uint8Array> {
  const stored = await readStored(member, source)
  if (isStored(member)) return stored
  const plain = inflate(stored, member, member.length + 1)
  return plain.length === member.length ? plain : refuse('a member does not have its stated length')
}

async function readStored(member: ZipMember, { size, read }: ByteSource, most = Infinity): Promise<Uint8Array> {
  return readExactly(read, await dataOffset(member, size, read), Math.min(member.storedLength, most))
}

function inflate(bytes: Uint8Array, { method }: ZipMember, maxOutputLength: number): Uint8Array {
  if (method !== METHOD_DEFLATED) refuse(`a member is compressed by method ${method}`)
  try {
    // Z_SYNC_FLUSH: returns the available output if the end is missing
    return zlib.inflateRawSync(bytes, { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH })
  } catch {
    return refuse('a deflated member is damaged')
  }
}
