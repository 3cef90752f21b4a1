// What each codec makes of the parts of a repository: npm run bench:coders -- <folder of a repository> ...
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CODEC_NUMBERS, decodePart } from '../src/compression/codecs.ts'
import { encodeContexts } from '../src/compression/contexts.ts'
import { entropyOf } from '../src/compression/entropy.ts'
import { loadZstd } from '../src/compression/load-zstd.ts'
import { decodePackTail } from '../src/repository/format/pack.ts'
import { table } from './report.ts'

const NAMES = ['raw', 'zstd', 'deflate', 'pairs', 'numbers', 'copies', 'contexts']
const zstd = await loadZstd()

interface Row {
  parts: number
  plain: number
  stored: number
  order0: number
  contexts: number
  best: number
}

const rows = new Map<string, Row>()
for (const folder of process.argv.slice(2)) {
  for (const name of readdirSync(folder).filter(name => name.startsWith('pack-'))) {
    const bytes = readFileSync(join(folder, name))
    const tail = decodePackTail(bytes, bytes.length, name.slice(5))
    if (tail.kind !== 'directory') continue
    for (const { filter, offset, parts } of tail.directory.blocks) {
      let at = offset
      for (const part of parts) {
        const stored = bytes.subarray(at, (at += part.storedLength))
        if (part.codec === CODEC_NUMBERS) continue
        const plain = decodePart(part, stored, zstd)
        const key = `${filter} ${NAMES[part.codec]}`
        const row = rows.get(key) ?? { parts: 0, plain: 0, stored: 0, order0: 0, contexts: 0, best: 0 }
        rows.set(key, row)
        const contexts = encodeContexts(plain)?.bytes.length ?? plain.length
        row.parts++
        row.plain += plain.length
        row.stored += stored.length
        row.order0 += entropyOf([plain])
        row.contexts += contexts
        row.best += Math.min(contexts, stored.length)
      }
    }
  }
}
const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1)
console.log(
  table(
    ['filter, codec', 'parts', 'kB', 'stored', 'entropy', 'contexts', 'the smaller'],
    [...rows]
      .sort()
      .map(([key, row]) => [key, String(row.parts), ...[row.plain, row.stored, row.order0, row.contexts, row.best].map(kilobytes)]),
  ),
)
