import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { messageOf } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { extractTo } from '../archive/archives.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededRandom } from '../helpers/seeded.ts'
import { zipOf } from '../helpers/zip.ts'
import { oddZip } from './odd-zips.ts'
import { treeOf } from './trees.ts'

const EMPTY = `0 ${sha256Hex(Buffer.alloc(0)).slice(0, 16)}`
const COUNT = Number(process.env.ODD_ZIPS ?? 60)
const SEED = Number(process.env.SEED ?? 1)

interface Extracted {
  tree: Record<string, string>
  /** Nothing was complained about. */
  isClean: boolean
  said: string
}

const OTHERS: Record<string, (archive: string, out: string) => string[]> = {
  unzip: (archive, out) => ['-qo', '-P', 'guess', archive, '-d', out],
  '7z': (archive, out) => ['x', '-y', '-pguess', `-o${out}`, archive],
  bsdtar: (archive, out) => ['-xf', archive, '--passphrase', 'guess', '-C', out],
}

function byOther(program: string, archive: string, out: string): Extracted {
  mkdirSync(out)
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' }
  const { status, stderr } = spawnSync(program, OTHERS[program]!(archive, out), { env, encoding: 'utf8' })
  return { tree: treeOf(out), isClean: status === 0 || (program === 'unzip' && status === 1), said: stderr }
}

async function byUs(archive: string, out: string): Promise<Extracted> {
  mkdirSync(out)
  try {
    const { result, warnings } = await extractTo(out, archive)
    return { tree: treeOf(out), isClean: result.refused + result.damaged + result.occupied.length === 0, said: warnings.join('\n') }
  } catch (error) {
    return { tree: treeOf(out), isClean: false, said: messageOf(error) }
  }
}

/** Only some programs make folders of those from DOS that have no slash. */
const textOf = ({ tree }: Extracted): string => JSON.stringify('dos' in tree ? { ...tree, dos: 'folder' } : tree)

/** Why what this program did with an archive is wrong, in the eyes of the others; undefined if it is right. */
function whyWrong(ours: Extracted, others: Record<string, Extracted>): string | undefined {
  const clean = Object.values(others).filter(({ isClean }) => isClean)
  const agreed = clean.find(one => clean.filter(other => textOf(other) === textOf(one)).length >= 2)
  if (agreed !== undefined && textOf(agreed) !== textOf(ours)) return 'two others agree on something else'
  const isKnown = Object.values(others).some(one => textOf(one) === textOf(ours))
  if (ours.isClean && !isKnown) return 'no other agrees, and it did not complain'
  const known = new Set(Object.values(others).flatMap(({ tree }) => Object.values(tree)))
  const invented = Object.values(ours.tree).find(content => content !== 'folder' && content !== EMPTY && !known.has(content))
  return known.size > 0 && invented !== undefined ? `no other has this content: ${invented}` : undefined
}

test(
  `${COUNT} odd zips are read as other programs read them`,
  () =>
    withFolder(async folder => {
      const wrong: string[] = []
      for (let number = 0; number < COUNT; number++) {
        const seed = SEED * 1_000_000 + number
        const { parts, form, odd } = oddZip(seededRandom(seed))
        const at = join(folder, String(number))
        mkdirSync(at)
        const archive = join(at, 'odd.zip')
        writeFileSync(archive, zipOf(parts, form))
        const others = Object.fromEntries(Object.keys(OTHERS).map(program => [program, byOther(program, archive, join(at, program))]))
        const ours = await byUs(archive, join(at, 'ours'))
        const why = whyWrong(ours, others)
        if (why !== undefined) wrong.push(JSON.stringify({ seed, odd, why, ours, others }))
      }
      expect(wrong).toEqual([])
    }),
  3_600_000,
)
