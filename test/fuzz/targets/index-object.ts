import { decodeIndex, decodeIndexedPack, encodeIndex } from '../../../src/repository/format/index-object.ts'
import { NONCE_BYTES } from '../../../src/repository/format/pack.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { sha256Hex, toHex } from '../../../src/util/hash.ts'
import { NONCE, somePacks } from '../seeds.ts'
import { decoded, promise, type Target } from '../target.ts'

/** An index under the name that its bytes have. */
export const index: Target = {
  name: 'index',
  seeds() {
    const packs = somePacks().map(({ id, bytes, directory }) => ({ id, size: bytes.length, directoryBytes: directory }))
    const supersedes = ['ab'.repeat(32), 'cd'.repeat(32)]
    const some = [
      { packs: [], supersedes: [] },
      { packs: packs.slice(0, 1), supersedes },
      { packs, supersedes: [] },
      { packs: [], supersedes },
    ]
    return some.map(content => encodeIndex(content, NONCE).bytes)
  },
  async run(input, rescue) {
    const got = decoded(() => decodeIndex(input, sha256Hex(input)))
    if (!got) return
    promise(equalBytes(encodeIndex(got, input.slice(-NONCE_BYTES)).bytes, input), 'an index that decodes is the one that would be written')
    for (const pack of got.packs) decoded(() => decodeIndexedPack(pack))
    if (!rescue) return
    const packs = Object.fromEntries(got.packs.map(({ id, directoryBytes }) => [id, toHex(directoryBytes)]))
    const other = await rescue.index(input)
    promise(JSON.stringify({ packs }) === JSON.stringify(other), 'rescue.py reads the same packs', packs, other)
  },
}
