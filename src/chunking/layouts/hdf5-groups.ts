import { MAX_NAME_LENGTH, refuse } from './span.ts'
import { recordsOf } from './hdf5-btree2.ts'
import type { Fields, Hdf5File } from './hdf5-file.ts'
import { FractalHeap } from './hdf5-fractal-heap.ts'
import { LINK, LINK_INFO, messageOf, type Message, SYMBOL_TABLE } from './hdf5-object-header.ts'

/** What a group calls by a name. */
export interface Link {
  name: string
  /** The address of an object header; missing for links to another place or file. */
  address?: number
  /** Where it leads to, in words. */
  elsewhere?: string
}

const SOFT = 1
const EXTERNAL = 64
/** Of a symbol table's entry: the name leads to another name. */
const CACHED_SOFT_LINK = 2
const MAX_LEVELS = 16
const GROUP_NODE = 0
/** Records of a tree of version 2: links by name. */
const LINK_NAMES = 5

/** True if an object with these messages is a group. */
export function isGroup(messages: readonly Message[]): boolean {
  return messages.some(({ type }) => type === SYMBOL_TABLE || type === LINK || type === LINK_INFO)
}

/** The links of a group: those in messages, those of a symbol table and those in a fractal heap. */
export async function readLinks(file: Hdf5File, messages: readonly Message[]): Promise<Link[]> {
  const links = messages.filter(({ type }) => type === LINK).map(({ data }) => readLink(file.fields(data)))
  const table = messageOf(messages, SYMBOL_TABLE)
  if (table !== undefined) links.push(...(await readSymbolTable(file, file.fields(table.data))))
  const info = messageOf(messages, LINK_INFO)
  if (info !== undefined) links.push(...(await readHeap(file, file.fields(info.data))))
  return links
}

/** Many links of one group: a heap holds them, a tree lists them by their names. */
async function readHeap(file: Hdf5File, info: Fields): Promise<Link[]> {
  const flags = info.skip(1).byte()
  if ((flags & 1) === 1) info.skip(8)
  const [heapAt, treeAt] = [info.address(), info.address()]
  if (heapAt === undefined || treeAt === undefined) return []
  const heap = await FractalHeap.open(file, heapAt)
  const links: Link[] = []
  // a record is the hash of a name and the id of its link
  for (const record of (await recordsOf(file, treeAt, [LINK_NAMES])).records) links.push(readLink(await heap.object(record.skip(4))))
  return links.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readLink(fields: Fields): Link {
  fields.skip(1)
  const flags = fields.byte()
  const type = (flags & 8) === 0 ? 0 : fields.byte()
  if ((flags & 4) !== 0) fields.skip(8)
  if ((flags & 16) !== 0) fields.skip(1)
  const name = textOf(fields.take(fields.uint(2 ** (flags & 3))))
  if (type === 0) return { name, address: fields.address() ?? refuse('a link leads nowhere') }
  if (type === SOFT) return { name, elsewhere: `a link to ${textOf(fields.take(fields.uint(2)))}` }
  if (type !== EXTERNAL) return { name, elsewhere: 'a link of an unknown kind' }
  const [target = ''] = textOf(fields.skip(2).take(fields.remaining)).replace(/^./, '').split('\0')
  return { name, elsewhere: `a link to the file ${JSON.stringify(target)}` }
}

async function readSymbolTable(file: Hdf5File, table: Fields): Promise<Link[]> {
  const [tree, heap] = [table.address() ?? refuse('a group lies nowhere'), table.address() ?? refuse('a group has no names')]
  const head = (await file.at(heap, 8 + 2 * file.lengthBytes + file.offsetBytes)).signature('HEAP').skip(4)
  const namesBytes = head.length()
  head.length() // where its free space begins
  const names = await file.at(head.address() ?? refuse('a group has no names'), namesBytes)
  const links: Link[] = []
  for await (const { child } of leavesOf(file, tree, GROUP_NODE, file.lengthBytes)) links.push(...(await readSymbols(file, child, names)))
  return links
}

async function readSymbols(file: Hdf5File, address: number, names: Fields): Promise<Link[]> {
  const head = (await file.at(address, 8)).signature('SNOD').skip(2)
  const count = head.uint(2)
  const fields = await file.at(address + 8, count * (2 * file.offsetBytes + 24))
  return Array.from({ length: count }, () => {
    const name = nameAt(names, fields.uint(file.offsetBytes))
    const object = fields.address()
    const isSoft = fields.uint(4) === CACHED_SOFT_LINK
    fields.skip(20)
    if (isSoft || object === undefined) return { name, elsewhere: 'a link to another name' }
    return { name, address: object }
  })
}

function nameAt({ bytes }: Fields, at: number): string {
  const name = bytes.subarray(at, at + MAX_NAME_LENGTH + 1)
  const end = name.indexOf(0)
  return end >= 0 ? textOf(name.subarray(0, end)) : refuse('a name has no end')
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
  return Buffer.from(bytes).toString('utf8')
}

/** The children of the leaves of a B-tree of version 1, in order, each with the key before it. */
export async function* leavesOf(
  file: Hdf5File,
  root: number,
  nodeType: number,
  keyBytes: number,
): AsyncGenerator<{ key: Fields; child: number }, void> {
  const way = [{ address: root, level: MAX_LEVELS }]
  for (let node = way.pop(); node !== undefined; node = way.pop()) {
    const head = (await file.at(node.address, 8 + 2 * file.offsetBytes)).signature('TREE')
    const [type, level, count] = [head.byte(), head.byte(), head.uint(2)]
    if (type !== nodeType || level >= node.level) refuse('a tree does not grow')
    const fields = await file.at(node.address + 8 + 2 * file.offsetBytes, count * (keyBytes + file.offsetBytes))
    const children = Array.from({ length: count }, () => ({
      key: fields.inside(fields.take(keyBytes)),
      child: fields.address() ?? refuse('a tree leads nowhere'),
    }))
    if (level === 0) yield* children
    else way.push(...children.reverse().map(({ child }) => ({ address: child, level })))
  }
}
