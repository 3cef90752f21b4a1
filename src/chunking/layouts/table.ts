/*
 * Tables of LevelDB (doc/table_format.md), which TensorFlow uses for the index of a checkpoint: blocks of sorted keys,
 * each written without what it shares with the key before it.
 */

import { ByteReader } from '../../util/bytes.ts'
import { MAX_INDEX_BYTES } from './checkpoint-names.ts'
import { unsnappy } from './snappy.ts'
import { MAX_TENSORS, type ReadAt, readExactly, refuse, refuseKind } from './span.ts'

const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
/** Behind a block: how it is compressed, and its checksum. */
const TRAILER_BYTES = 5
/** How a block is compressed. */
const PLAIN = 0
const SNAPPY = 1
/** Maximum bytes of all blocks when they are unpacked. */
const MAX_PLAIN_BYTES = 64 * 1024 * 1024
const MAX_KEY_BYTES = 4096
const MAX_VARINT = 2 ** 48

export interface TableEntry {
  key: string
  value: Uint8Array
}

interface Handle {
  offset: number
  length: number
}

/** True if a file ends like a table. */
export async function isTable(size: number, read: ReadAt): Promise<boolean> {
  if (size < FOOTER_BYTES) return false
  return MAGIC.equals(await read(size - MAGIC.length, MAGIC.length))
}

/**
 * All entries of a table of at most 32 MiB, in its order. Its blocks may be compressed by Snappy. Time and memory:
 * linear in its length.
 */
export async function readTable(size: number, read: ReadAt): Promise<TableEntry[]> {
  if (size > MAX_INDEX_BYTES) refuse('it is too long')
  const file = await readExactly(read, 0, size)
  const footer = new ByteReader(file, 'A table', size - FOOTER_BYTES)
  readHandle(footer) // of the block of filters
  const entries: TableEntry[] = []
  let end = 0
  let left = MAX_PLAIN_BYTES
  const blockAt = (handle: Handle): Uint8Array => {
    const block = blockOf(file, handle, left)
    left -= block.length
    return block
  }
  for (const { value } of entriesOf(blockAt(readHandle(footer)))) {
    const handle = readHandle(new ByteReader(value, 'A table'))
    // blocks lie one behind the other, so no byte is read twice
    if (handle.offset < end) refuse('its blocks overlap')
    end = handle.offset + handle.length
    for (const entry of entriesOf(blockAt(handle))) entries.push(entry)
    if (entries.length > MAX_TENSORS + 1) refuse('it has too many tensors')
  }
  return entries
}

function readHandle(reader: ByteReader): Handle {
  return { offset: number(reader), length: number(reader) }
}

/** The plain bytes of a block, at most `most`. */
function blockOf(file: Uint8Array, { offset, length }: Handle, most: number): Uint8Array {
  if (offset + length + TRAILER_BYTES > file.length) refuse('a block lies outside of it')
  const compression = file[offset + length]!
  const stored = file.subarray(offset, offset + length)
  if (compression === SNAPPY) return unsnappy(stored, most)
  if (compression !== PLAIN) refuseKind(`a table whose blocks are compressed by method ${compression}`)
  return length <= most ? stored : refuse('its blocks are too long')
}

/** The restarts at the end of a block only help to search in it. */
function* entriesOf(block: Uint8Array): Generator<TableEntry, void> {
  if (block.length < 4) refuse('a block is too short')
  const restarts = Buffer.from(block.subarray(-4)).readUInt32LE()
  const end = block.length - 4 - 4 * restarts
  if (end < 0) refuse('a block is too short')
  const reader = new ByteReader(block, 'A table', 0, end)
  let key = Buffer.alloc(0)
  while (reader.remaining > 0) {
    const [shared, more, length] = [number(reader), number(reader), number(reader)]
    if (shared > key.length || shared + more > MAX_KEY_BYTES) refuse('a key is absurd')
    key = Buffer.concat([key.subarray(0, shared), reader.take(more)])
    yield { key: key.toString('utf8'), value: reader.take(length) }
  }
}

function number(reader: ByteReader): number {
  return reader.varint(MAX_VARINT)
}
