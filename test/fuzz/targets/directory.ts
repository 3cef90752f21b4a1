import { decodeDirectory, type Directory, encodeDirectory, type ListedBlock } from '../../../src/repository/format/directory.ts'
import { decodePackTail, TRAILER_BYTES } from '../../../src/repository/format/pack.ts'
import { idAt } from '../../../src/repository/format/chunk-ids.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { sha256, sha256Hex, toHex } from '../../../src/util/hash.ts'
import { somePacks } from '../seeds.ts'
import { decoded, promise, type Target } from '../target.ts'

/** What stands in it, as blocks to be encoded again. */
function blocksOf({ blocks, chunkIds, chunkLengths, bases }: Directory): ListedBlock[] {
  return blocks.map(block => {
    const [from, to] = [block.firstChunk, block.firstChunk + block.chunkCount]
    const own = [...bases].filter(([chunk]) => chunk >= from && chunk < to).map(([chunk, base]) => [chunk - from, base] as const)
    return {
      block,
      chunkIds: chunkIds.subarray(from * 32, to * 32),
      chunkLengths: [...chunkLengths.subarray(from, to)],
      bases: new Map(own),
    }
  })
}

/** The form that the driver of rescue.py gives. */
function pictureOf({ blocks, chunkIds, chunkLengths, bases }: Directory): unknown {
  return {
    blocks: blocks.map(({ filter, parameters, parts, offset, firstChunk, chunkCount }) => ({
      filter,
      parameters: toHex(parameters),
      parts: parts.map(({ codec, storedLength, plainLength }) => [codec, storedLength, plainLength]),
      offset,
      chunks: Array.from({ length: chunkCount }, (_, i) => {
        const base = bases.get(firstChunk + i)
        return [toHex(idAt(chunkIds, firstChunk + i)), chunkLengths[firstChunk + i], base?.depth ?? 0, (base?.ids ?? []).map(toHex)]
      }),
    })),
  }
}

export const directory: Target = {
  name: 'directory',
  seeds: () => somePacks().map(pack => pack.directory),
  async run(input, rescue) {
    const got = decoded(() => decodeDirectory(input, 'A directory'))
    if (got) promise(equalBytes(encodeDirectory(blocksOf(got)), input), 'a directory that decodes is the one that would be written')
    if (!rescue) return
    const other = await rescue.directory(input)
    promise((got === undefined) === (other === undefined), 'rescue.py accepts the same directories', { ours: got !== undefined })
    if (got) promise(JSON.stringify(pictureOf(got)) === JSON.stringify(other), 'rescue.py reads the same', pictureOf(got), other)
  },
}

/** The end of a pack, whose length of the directory and checksum are right unless the first byte says otherwise. */
export const packTail: Target = {
  name: 'pack-tail',
  seeds: () => somePacks().map(({ bytes }) => Buffer.concat([Uint8Array.of(0), bytes])),
  run(input) {
    const bytes = Buffer.from(input.subarray(1))
    if (input[0] === 0 && bytes.length >= TRAILER_BYTES) {
      const trailer = bytes.length - TRAILER_BYTES
      const length = Math.min(trailer, bytes.readUInt32LE(trailer + 16))
      bytes.writeUInt32LE(length, trailer + 16)
      sha256(bytes.subarray(trailer - length, trailer)).copy(bytes, trailer + 20)
      bytes.write('CEP1', bytes.length - 4)
    }
    const whole = decoded(() => decodePackTail(bytes, bytes.length, sha256Hex(bytes)))
    promise(whole?.kind !== 'too-short', 'a whole pack is never too short')
    const tail = decoded(() => decodePackTail(bytes.subarray(-TRAILER_BYTES), bytes.length, sha256Hex(bytes)))
    if (tail?.kind === 'too-short') promise(tail.needBytes <= bytes.length, 'no more bytes are asked for than there are')
  },
}
