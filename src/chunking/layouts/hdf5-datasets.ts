import { type AppError, isAppError } from '../../util/errors.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, refuse } from './span.ts'
import type { Dataspace } from './hdf5-chunks.ts'
import { BOOLEANS, type Datatype, readDatatype } from './hdf5-datatype.ts'
import { Hdf5File } from './hdf5-file.ts'
import { isGroup, type Link, readLinks } from './hdf5-groups.ts'
import { notedByMatlab } from './hdf5-matlab.ts'
import { DATASPACE, DATATYPE, FILL_VALUE, LAYOUT, messageOf, type Message, readMessages } from './hdf5-object-header.ts'
import { readStorage, type Storage } from './hdf5-storage.ts'

/** An array of an HDF5 file. */
export interface Dataset {
  /** The names of its groups and its own, with slashes between them. */
  name: string
  shape: number[]
  datatype: Datatype
  storage: Storage
  /** An element that was not written; undefined for zeros. */
  fill?: Uint8Array
  /** The name of an earlier dataset that is the same object. */
  sameAs?: string
}

export interface Hdf5Content {
  datasets: Dataset[]
  /** What is there and is not listed, in words. */
  unlisted: string[]
  /** Objects that can't be read: damaged, or of a kind that is not understood. */
  failed: { name: string; error: AppError }[]
}

const MAX_RANK = 32
const MAX_UNLISTED = 100
const NULL_SPACE = 2

interface Named {
  name: string
  address: number
}

/**
 * The datasets of an HDF5 file that can be reached from its root group, in the order of the groups. Time and memory:
 * linear in the length of the file, of which only headers are read, at most 32 MiB.
 */
export async function readHdf5(size: number, read: ReadAt): Promise<Hdf5Content> {
  const file = await Hdf5File.open(size, read)
  const content: Hdf5Content = { datasets: [], unlisted: [], failed: [] }
  const first = new Map<number, Dataset | undefined>()
  const way: Named[] = [{ name: '', address: file.root }]
  for (let object = way.pop(); object !== undefined; object = way.pop()) {
    const { name, address } = object
    const known = first.get(address)
    if (known !== undefined) add(content, { ...known, name, sameAs: known.name })
    if (first.has(address)) continue
    first.set(address, undefined)
    try {
      const messages = await readMessages(file, address)
      const dataset = messageOf(messages, LAYOUT) === undefined ? undefined : await describe(file, name, messages)
      first.set(address, dataset)
      if (dataset !== undefined) add(content, dataset)
      else if (isGroup(messages)) way.push(...(await named(file, name, messages, content.unlisted)).reverse())
    } catch (error) {
      // the others can be read, unless there are none
      if (name === '' || !isAppError(error, 'corrupt', 'unsupported')) throw error
      checkRoom(content)
      content.failed.push({ name, error })
    }
  }
  return content
}

function add(content: Hdf5Content, dataset: Dataset): void {
  checkRoom(content)
  content.datasets.push(dataset)
}

function checkRoom({ datasets, failed }: Hdf5Content): void {
  if (datasets.length + failed.length >= MAX_TENSORS) refuse('it has too many tensors')
}

/** The objects in a group, with their paths. */
async function named(file: Hdf5File, path: string, messages: readonly Message[], unlisted: string[]): Promise<Named[]> {
  const found: Named[] = []
  for (const link of await readLinks(file, messages)) {
    const name = pathOf(path, link)
    if (link.address !== undefined) found.push({ name, address: link.address })
    else if (unlisted.length < MAX_UNLISTED) unlisted.push(`${name} is ${link.elsewhere}`)
  }
  return found
}

function pathOf(path: string, { name }: Link): string {
  const longer = path === '' ? name : `${path}/${name}`
  // a name is left out if the path would become too long
  return longer.length > MAX_NAME_LENGTH ? path : longer
}

async function describe(file: Hdf5File, name: string, messages: readonly Message[]): Promise<Dataset> {
  const space = readSpace(file, messageOf(messages, DATASPACE) ?? refuse('a dataset has no shape'))
  const { kind, isEmpty } = notedByMatlab(file, messages)
  const stored = await datatypeOf(file, messageOf(messages, DATATYPE) ?? refuse('a dataset has no type'))
  const datatype = kind === 'logical' && stored.dtype === 'U8' ? BOOLEANS : stored
  if (isEmpty) return { name, shape: [0], datatype, storage: { kind: 'none' } }
  const storage = readStorage(file, messages, space, datatype.bytes)
  const fill = fillOf(file, messages, datatype.bytes)
  return { name, shape: space.whole, datatype, storage, ...(fill === undefined ? {} : { fill }) }
}

/** A committed datatype lies in an object of its own. */
async function datatypeOf(file: Hdf5File, { isShared, data }: Message): Promise<Datatype> {
  if (!isShared) return readDatatype(file.fields(data))
  const fields = file.fields(data)
  const version = fields.byte()
  const type = fields.byte()
  if (version === 1) fields.skip(6)
  const address = version === 3 && type !== 2 ? undefined : fields.address()
  if (address === undefined) return { dtype: 'shared type', bytes: 1 }
  const message = messageOf(await readMessages(file, address), DATATYPE)
  return message === undefined || message.isShared ? refuse('a type lies nowhere') : readDatatype(file.fields(message.data))
}

/** A dataspace message, of version 1 or 2. A dataset without a space has no elements. */
function readSpace(file: Hdf5File, { data }: Message): Dataspace {
  const fields = file.fields(data)
  const [version, rank] = [fields.byte(), fields.byte()]
  const canGrow = (fields.byte() & 1) !== 0
  const kind = fields.byte()
  if (version === 1) fields.skip(4)
  if (rank > MAX_RANK || version < 1 || version > 2) refuse('a shape is absurd')
  if (version === 2 && kind === NULL_SPACE) return { whole: [0], most: [0] }
  const whole = Array.from({ length: rank }, () => fields.length())
  asCount(elementsOf(whole))
  return { whole, most: canGrow ? whole.map(() => fields.lengthOrNone()) : whole }
}

/** A fill value message, of version 1 to 3. */
function fillOf(file: Hdf5File, messages: readonly Message[], bytes: number): Uint8Array | undefined {
  const message = messageOf(messages, FILL_VALUE)
  if (message === undefined) return undefined
  const fields = file.fields(message.data)
  const version = fields.byte()
  if (version < 3) fields.skip(2)
  const isDefined = version < 3 ? fields.byte() === 1 : (fields.byte() & 0x20) !== 0
  if (!isDefined) return undefined
  const value = fields.take(fields.uint(4))
  return value.length === bytes && value.some(byte => byte !== 0) ? value : undefined
}
