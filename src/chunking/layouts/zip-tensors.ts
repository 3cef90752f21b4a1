import { guessWidthAt } from './guess-width.ts'
import { findHdf5Tensors } from './hdf5.ts'
import { isHdf5 } from './magic.ts'
import { findNpyTensors, isNpy } from './npy.ts'
import { checkSpans, type ReadAt, readExactly, type TensorSpan } from './span.ts'
import { type TorchStorage, readStorages } from './torch-storages.ts'
import { dataOffset, readStoredMembers, type StoredMember } from './zip.ts'

/** Smaller members are skipped: they hold no tensor that is worth a chunk of its own. */
const MIN_MEMBER_BYTES = 4 * 1024
const MAX_PICKLE_BYTES = 16 * 1024 * 1024
/**
 * Maximum number of storages of unknown type that are sampled, which takes a few reads each. The others are treated as
 * bytes.
 */
const MAX_GUESSES = 1000
const MAGIC_BYTES = 8
/** The folders of storages in a PyTorch archive. Each has a pickle beside it. */
export const TORCH_FOLDERS = ['data', 'constants'] as const

/**
 * The tensors in the stored members: storages of a PyTorch archive, `.npy` in `.npz`, HDF5 in `.keras`. Time: linear in
 * the length of the file, of which a small part of each member is read.
 */
export async function findZipTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const members = await readStoredMembers(size, read)
  const pickle = members.find(({ name }) => /(^|\/)data\.pkl$/.test(name))
  const spans = pickle === undefined ? await arraySpans(members, size, read) : await torchSpans(members, pickle, size, read)
  return checkSpans(spans, size)
}

/** The storages `<root>/data/<key>`, described by `<root>/data.pkl`, and those of the constants of TorchScript. */
async function torchSpans(members: StoredMember[], pickle: StoredMember, size: number, read: ReadAt): Promise<TensorSpan[]> {
  const root = pickle.name.slice(0, -'data.pkl'.length)
  const storages = new Map<string, ReadonlyMap<string, TorchStorage>>()
  for (const folder of TORCH_FOLDERS) {
    const pickle = members.find(({ name, length }) => name === `${root}${folder}.pkl` && length <= MAX_PICKLE_BYTES)
    const found = pickle && readStorages(await readMember(pickle, size, read))
    if (found !== undefined) storages.set(folder, found)
  }
  const bigEndian = await isBigEndian(members, root, size, read)
  const spans: TensorSpan[] = []
  let guesses = 0
  for (const member of members) {
    const folder = TORCH_FOLDERS.find(folder => member.name.startsWith(`${root}${folder}/`))
    if (member.length < MIN_MEMBER_BYTES || folder === undefined) continue
    const name = member.name.slice(root.length)
    const offset = await dataOffset(member, size, read)
    const place = { name, offset, length: member.length }
    const storage = storages.get(folder)?.get(name.slice(folder.length + 1))
    if (storage !== undefined) spans.push(withStorage(place, storage, bigEndian))
    else {
      const width = ++guesses > MAX_GUESSES ? 1 : await guessWidthAt(offset, member.length, read)
      spans.push({ ...place, width, kind: 'unknown' })
    }
  }
  return spans
}

function withStorage(place: Pick<TensorSpan, 'name' | 'offset' | 'length'>, storage: TorchStorage, bigEndian: boolean): TensorSpan {
  const { type, name = place.name, shape } = storage
  const shaped = { ...place, name, ...(shape === undefined ? {} : { shape }) }
  return bigEndian ? { ...shaped, width: type.width, kind: 'unknown' } : { ...shaped, ...type }
}

async function isBigEndian(members: StoredMember[], root: string, size: number, read: ReadAt): Promise<boolean> {
  const member = members.find(({ name, length }) => name === `${root}byteorder` && length === 3)
  return member !== undefined && Buffer.from(await readMember(member, size, read)).toString() === 'big'
}

async function arraySpans(members: StoredMember[], size: number, read: ReadAt): Promise<TensorSpan[]> {
  const spans: TensorSpan[] = []
  for (const member of members) {
    if (member.length < MIN_MEMBER_BYTES || !/\.(npy|h5|hdf5)$/.test(member.name)) continue
    const start = await dataOffset(member, size, read)
    const magic = await readExactly(read, start, MAGIC_BYTES)
    const find = isNpy(magic) ? findNpyTensors : isHdf5(magic) ? findHdf5Tensors : undefined
    const inner = (await find?.(member.length, (offset, length) => read(start + offset, length))) ?? []
    const name = member.name.replace(/\.npy$/, '')
    spans.push(...inner.map(span => ({ ...span, name: span.name || name, offset: start + span.offset })))
  }
  return spans
}

async function readMember(member: StoredMember, size: number, read: ReadAt): Promise<Uint8Array> {
  return readExactly(read, await dataOffset(member, size, read), member.length)
}
