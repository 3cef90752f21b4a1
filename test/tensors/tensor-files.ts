import { crc32, deflateRawSync } from 'node:zlib'
import { openElements } from '../../src/tensors/element-reader.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import type { HashedSource } from '../../src/tensors/stretches.ts'
import type { ByteSource, TensorFile } from '../../src/tensors/tensor.ts'
import { type SafetensorsPlan, type SkippedTensor, writeSafetensors } from '../../src/tensors/write-safetensors.ts'
import { sha256, sha256Hex } from '../../src/util/hash.ts'
import { u32, zip, type Member } from '../chunking/layouts/writers.ts'

/** Bytes in memory as a source; `asked` are the stretches that were read. */
export function sourceOf(bytes: Uint8Array): HashedSource & { asked: [offset: number, length: number][] } {
  const asked: [number, number][] = []
  const read = (offset: number, length: number): Promise<Uint8Array> => {
    asked.push([offset, length])
    return Promise.resolve(bytes.slice(offset, offset + length))
  }
  return { size: bytes.length, read, asked }
}

/** `sourceOf`, with hashes of chunks that are cut after so many bytes. */
export function hashedSourceOf(bytes: Uint8Array, cuts: readonly number[]): ReturnType<typeof sourceOf> {
  const chunks = [0, ...cuts].map((offset, i) => {
    const end = cuts[i] ?? bytes.length
    return { offset, length: end - offset, id: sha256Hex(bytes.subarray(offset, end)), idOf: sha256 }
  })
  const chunksOf = (offset: number, length: number) =>
    chunks.filter(chunk => chunk.offset < offset + length && chunk.offset + chunk.length > offset)
  return { ...sourceOf(bytes), chunksOf }
}

export async function filesOf(bytes: Uint8Array, what = 'model'): Promise<TensorFile> {
  return readTensorFile(what, sourceOf(bytes))
}

/** The elements of a tensor, by its name. */
export async function elementsOf(bytes: Uint8Array, name: string): Promise<Buffer> {
  const source = sourceOf(bytes)
  const file = await readTensorFile('model', source)
  const reader = await openElements(
    name,
    file.tensors.find(tensor => tensor.name === name)!,
    source,
  )
  return Buffer.from(await reader.read(0, reader.count))
}

/** The file of these tensors, as it is written, and those that could not be read. */
export async function writtenBy(
  plan: SafetensorsPlan,
  source: ByteSource,
  canRewrite = true,
): Promise<{ written: Buffer; failed: SkippedTensor[] }> {
  let written = Buffer.alloc(0)
  const failed = await writeSafetensors('model', plan, source, {
    canRewrite,
    write: piece => Promise.resolve(void (written = Buffer.concat([written, piece]))),
    truncate: length => Promise.resolve(void (written = written.subarray(0, length))),
    overwriteStart: bytes => Promise.resolve(void written.set(bytes)),
  })
  return { written, failed }
}

export interface View {
  name: string
  storageClass: string
  key: string
  elements: number
  offset: number
  shape: number[]
  strides: number[]
}

/** What torch.save writes of a dict of tensors, with pickle protocol 2. */
function torchPickle(views: readonly View[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from('X'), u32(Buffer.byteLength(value)), Buffer.from(value)])
  const int = (value: number): Buffer => Buffer.concat([Buffer.from('J'), u32(value)])
  const tuple = (values: readonly number[]): Buffer => Buffer.concat([Buffer.from('('), ...values.map(int), Buffer.from('t')])
  const tensors = views.flatMap(({ name, storageClass, key, elements, offset, shape, strides }) => [
    text(name),
    Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n(('),
    text('storage'),
    Buffer.from(`ctorch\n${storageClass}\n`),
    text(key),
    text('cpu'),
    int(elements),
    Buffer.from('tQ'),
    int(offset),
    tuple(shape),
    tuple(strides),
    Buffer.from('\x89ccollections\nOrderedDict\n)RtR', 'latin1'),
  ])
  return Buffer.concat([Buffer.from('\x80\x02}(', 'latin1'), ...tensors, Buffer.from('u.')])
}

/** What torch.save writes without zip: storages in the order of their keys. */
export function legacyTorchFile(views: readonly View[], storages: Record<string, Uint8Array>): Buffer {
  const pickle = (text: string): Buffer => Buffer.from(`\x80\x02${text}.`, 'latin1')
  const keys = [...new Set(views.map(({ key }) => key))].sort()
  const counted = Object.entries(storages).flatMap(([key, data]) => {
    const count = Buffer.alloc(8)
    count.writeUInt32LE(views.find(view => view.key === key)!.elements)
    return [count, data]
  })
  return Buffer.concat([
    pickle('\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19'),
    pickle('M\xe9\x03'),
    pickle('}X\x0d\0\0\0little_endian\x88s'),
    torchPickle(views),
    pickle(`](${keys.map(key => `U${String.fromCharCode(key.length)}${key}`).join('')}e`),
    ...counted,
  ])
}

export function torchFile(views: readonly View[], storages: Record<string, Uint8Array>, more: readonly Member[] = []): Buffer {
  const members = Object.entries(storages).map(([key, data]) => ({ name: `model/data/${key}`, data, padding: 30 }))
  return zip([{ name: 'model/data.pkl', data: torchPickle(views) }, ...more, ...members])
}

/** A zip archive whose members are deflated, as numpy.savez_compressed writes. */
export function deflatedZip(members: readonly Member[]): Buffer {
  const plain = new Map(members.map(({ name, data }) => [name, data]))
  const archive = zip(members.map(({ name, data }) => ({ name, data: deflateRawSync(data), method: 8 })))
  // `zip` writes one size for both, and no checksums: those of the plain bytes stand in the central directory
  for (let at = archive.indexOf('PK\x01\x02', 0, 'latin1'); at >= 0; at = archive.indexOf('PK\x01\x02', at + 4, 'latin1')) {
    const name = archive.toString('utf8', at + 46, at + 46 + archive.readUInt16LE(at + 28))
    archive.writeUInt32LE(crc32(plain.get(name)!), at + 16)
    archive.writeUInt32LE(plain.get(name)!.length, at + 24)
  }
  return archive
}
