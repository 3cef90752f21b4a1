import { isNode, joined, keyOf, type PickleNode, type PickleValue } from './pickle-value.ts'
import { type PickleLimits, PickleStream } from './pickle-stream.ts'
import { maskOf, notedArray, type NotedArray } from './pickled-numpy.ts'
import { MAX_TENSORS, type ReadAt, refuseKind } from './span.ts'
import { rebuiltBy } from './torch-rebuild.ts'

/** An array in a pickle, by its dot-joined keys. */
export interface PickledArray {
  /** Empty where the pickle is one array. */
  name: string
  /** Or why it can't be read. */
  array: NotedArray | { why: string }
  /** An array that occurs twice is one node. */
  node: PickleNode
}

/**
 * All arrays in the pickles of a file, in their order: those of NumPy, and tensors of PyTorch, which are not read.
 * Their names are made of the keys of dicts, the numbers in lists and the attributes of objects. Time and memory: as
 * `PickleStream`.
 */
export async function readPickledArrays(size: number, read: ReadAt, limits?: PickleLimits): Promise<PickledArray[]> {
  const stream = new PickleStream(size, read, limits)
  const values: PickleValue[] = []
  for (let next = await stream.value(); next !== undefined; next = await stream.value()) {
    if (values.length === MAX_TENSORS) refuseKind('it has too many pickles')
    values.push(next.value)
  }
  return arraysIn(values)
}

function arraysIn(pickles: PickleValue[]): PickledArray[] {
  const arrays: PickledArray[] = []
  const seen = new Set<PickleNode>()
  const way: { node: PickleNode; path: string; next: number }[] = [{ node: { values: pickles }, path: '', next: 0 }]
  for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
    const { node, path } = last
    const at = last.next++
    if (at >= node.values.length) way.pop()
    const value = node.values[at]
    if (!isNode(value)) continue
    const name = way.length === 1 && pickles.length === 1 ? '' : joined(path, keyOf(node, at))
    const array = notedArray(value) ?? (rebuiltBy(value) && TORCH)
    if (array !== undefined) arrays.push({ name, array, node: value })
    const mask = array !== undefined && 'data' in array && maskOf(array)
    if (mask) arrays.push({ name: joined(name, 'mask'), array: mask, node: { values: [] } })
    if (arrays.length > MAX_TENSORS) refuseKind('a pickle has too many arrays')
    if (seen.has(value)) continue
    seen.add(value)
    // an array may hold objects with arrays
    const inner = array === undefined ? value : 'data' in array && isNode(array.data) ? array.data : undefined
    if (inner !== undefined) way.push({ node: inner, path: name, next: 0 })
  }
  return arrays
}

const TORCH = { why: 'it is a tensor of PyTorch: save it with torch.save' }
