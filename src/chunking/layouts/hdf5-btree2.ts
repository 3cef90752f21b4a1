import { MAX_TENSORS, refuse, refuseKind } from './span.ts'
import type { Fields, Hdf5File } from './hdf5-file.ts'

/** Bytes of a node around its records: signature, version, type and checksum. */
const NODE_FRAME_BYTES = 10
const MAX_DEPTH = 16

interface Tree {
  type: number
  nodeBytes: number
  recordBytes: number
  /** The widths of the numbers that a pointer to a node of depth i has. */
  pointers: { count: number; total: number }[]
}

interface Node {
  address: number
  records: number
  depth: number
}

/** The records of a B-tree of version 2, in any order, which has one of these types. */
export async function recordsOf(file: Hdf5File, address: number, types: readonly number[]): Promise<{ type: number; records: Fields[] }> {
  const head = (await file.upTo(address, 64)).signature('BTHD').skip(1)
  const type = head.byte()
  if (!types.includes(type)) refuse('a tree has records of another type')
  const [nodeBytes, recordBytes, depth] = [head.uint(4), head.uint(2), head.uint(2)]
  const root = head.skip(2).address()
  const records = head.uint(2)
  if (recordBytes === 0 || depth > MAX_DEPTH || nodeBytes < NODE_FRAME_BYTES + recordBytes) refuse('a tree has absurd nodes')
  const tree = { type, nodeBytes, recordBytes, pointers: pointersOf(file, nodeBytes, recordBytes, depth) }
  const found: Fields[] = []
  const way: Node[] = root === undefined ? [] : [{ address: root, records, depth }]
  for (let node = way.pop(); node !== undefined; node = way.pop()) {
    way.push(...(await readNode(file, tree, node, found)))
    if (found.length > MAX_TENSORS) refuseKind('a tree has too many records')
  }
  return { type, records: found }
}

/** Adds the records of a node to `found`. Returns its children. */
async function readNode(file: Hdf5File, tree: Tree, { address, records, depth }: Node, found: Fields[]): Promise<Node[]> {
  const { type, nodeBytes, recordBytes, pointers } = tree
  if (records * recordBytes > nodeBytes) refuse('a node has too many records')
  const isLeaf = depth === 0
  const { count, total } = pointers[depth - 1] ?? { count: 0, total: 0 }
  const childBytes = isLeaf ? 0 : (records + 1) * (file.offsetBytes + count + total)
  const fields = (await file.at(address, 6 + records * recordBytes + childBytes)).signature(isLeaf ? 'BTLF' : 'BTIN').skip(1)
  if (fields.byte() !== type) refuse('a node has records of another type')
  for (let i = 0; i < records; i++) found.push(fields.inside(fields.take(recordBytes)))
  if (isLeaf) return []
  return Array.from({ length: records + 1 }, () => {
    const child = { address: fields.address() ?? refuse('a tree leads nowhere'), records: fields.uint(count), depth: depth - 1 }
    fields.skip(total)
    return child
  })
}

/** A pointer states the records of its node and, above leaves, those of all nodes below: as wide as the most need. */
function pointersOf(file: Hdf5File, nodeBytes: number, recordBytes: number, depth: number): Tree['pointers'] {
  const mostInLeaf = Math.floor((nodeBytes - NODE_FRAME_BYTES) / recordBytes)
  const count = widthOf(mostInLeaf)
  const pointers = [{ count, total: 0 }]
  for (let level = 1, below = mostInLeaf; level < depth; level++) {
    const pointerBytes = file.offsetBytes + count + pointers[level - 1]!.total
    const most = Math.floor((nodeBytes - NODE_FRAME_BYTES - pointerBytes) / (recordBytes + pointerBytes))
    below = (most + 1) * below + most
    pointers.push({ count, total: widthOf(below) })
  }
  return pointers
}

function widthOf(most: number): number {
  return Math.floor(Math.log2(Math.max(1, most)) / 8) + 1
}
