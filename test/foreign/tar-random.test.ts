import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { extractTo } from '../archive/archives.ts'
import { withFolder } from '../helpers/folders.ts'
import { oddTar } from './odd-tars.ts'
import { truths, type Picture } from './tar-truth.ts'

/** Other seeds and more cases by hand: `TAR_SEED=1000 TAR_CASES=5000 npm run test:foreign -- tar-random`. */
const SEED = Number(process.env.TAR_SEED ?? 1)
const CASES = Number(process.env.TAR_CASES ?? 300)
const BATCH = 300

/** Parts that Python's tarfile does not know, or reads differently. */
const NOT_PYTHON = /^(label|dump folder|later part|unknown type|pax X|pax g|bad header)$/
/** It sets mode and time of a file anew for each further name of it. */
const withoutLinkedModes = (picture: Picture): Picture =>
  Object.fromEntries(Object.entries(picture).map(([path, line]) => [path, line.replace(/^file \S+ \S+(?=.* is )/, 'file')]))

test(
  'odd archives are read as GNU tar and Python read them',
  async () => {
    const odd: string[] = []
    for (let done = 0; done < CASES; done += BATCH) odd.push(...(await compare(SEED + done, Math.min(BATCH, CASES - done))))
    expect(odd.slice(0, 3).join('\n\n')).toBe('')
  },
  CASES * 1000,
)

async function compare(seed: number, count: number): Promise<string[]> {
  return withFolder(async folder => {
    const tars = Array.from({ length: count }, (_, i) => oddTar(seed + i))
    const told: string[] = []
    for (const [i, { bytes }] of tars.entries()) {
      const path = join(folder, `${i}.tar`)
      writeFileSync(path, bytes)
      mkdirSync(join(folder, 'ours', String(i)), { recursive: true })
      told.push(await extractTo(join(folder, 'ours', String(i)), path).then(({ warnings }) => warnings.join('; '), String))
    }
    const found: string[] = []
    for (const [i, { ours, gnu, code, said, python, pythonSaid }] of truths(folder, count).entries()) {
      const { parts } = tars[i]!
      const differences = [
        ...differencesOf('GNU tar', ours, gnu),
        ...(pythonSaid !== '' || parts.some(part => NOT_PYTHON.test(part))
          ? []
          : differencesOf('Python', withoutLinkedModes(ours), withoutLinkedModes(python))),
      ]
      // both tell of what they could not read
      const isWarned = told[i] !== ''
      const hasReason = parts.some(part => /^(later part|bad header|end: (none|lone zero|odd junk))$/.test(part))
      if (isWarned !== hasReason) differences.push(`told ${JSON.stringify(told[i])}; GNU tar ended with ${code}: ${said}`)
      if (differences.length > 0)
        found.push(
          [`seed ${seed + i}: ${parts.join(', ')}`, `ours said ${told[i]}; GNU ${said}; Python ${pythonSaid}`, ...differences].join('\n'),
        )
    }
    return found
  })
}

function differencesOf(who: string, ours: Picture, theirs: Picture): string[] {
  return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
    .filter(path => ours[path] !== theirs[path])
    .map(path => `${JSON.stringify(path)}: ours ${ours[path]}, ${who} ${theirs[path]}`)
}
