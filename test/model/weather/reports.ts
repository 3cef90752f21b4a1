import type { CheckResult } from '../../../src/repository/check/check.ts'
import { COMMIT_WINDOW_MS } from '../../../src/repository/format/limits.ts'
import { Loss } from '../truth.ts'
import { HOUR, short, type Copy } from '../world.ts'
import type { Promises } from './promises.ts'
import type { Scene } from './scene.ts'

/** Throws if a check does not name damage that is there, or names some that is not. */
export function expectAllNamed(scene: Scene, result: CheckResult, reading: boolean): void {
  const { physical } = scene.promises
  const text = [...result.problems, ...result.affected.map(({ why }) => why)].join('\n')
  if (!scene.isHarmed && text !== '') throw new Loss('report', `nothing is damaged, and a check says: ${text}`)
  expectVersions(scene, result, reading)
  const isNamed = (name: string): boolean => text.includes(name) || result.affected.some(({ version }) => version.startsWith(name))
  for (const copy of physical.copies('anywhere')) {
    const name = nameInReports(scene, copy, reading)
    const liedAbout = [...(physical.lies.get(copy.born) ?? [])].map(pack => pack.slice('pack-'.length, 'pack-'.length + 12))
    if (name !== undefined && ![name, ...liedAbout].some(isNamed))
      throw new Loss('report', `a check does not name ${short(copy.name)}${copy.name === copy.born ? '' : ` (${short(copy.born)})`}`)
  }
}

/** How a check must name an object. Undefined if it need not. */
function nameInReports({ promises: { physical }, world }: Scene, copy: Copy, reading: boolean): string | undefined {
  const { born, name, trashed } = copy
  if (trashed || physical.isThere(born, 'seen') || physical.claims.has(born)) return undefined
  const [, kind, id] = /^(pack|index|label|tomb)-([0-9a-f]{12})|^/.exec(born)!
  // a lost index costs only time
  if (name !== born) return kind === 'index' || born === 'config.json' ? undefined : name
  if (world.living(name)[0] !== copy || born === 'config.json' || physical.isSuperseded(born)) return undefined
  // what is in a tomb is out of use
  if ([...(physical.lies.get(born) ?? [born])].every(pack => physical.tombed().has(pack))) return undefined
  if (kind === 'pack') return reading || physical.isVisiblyDamaged(copy) ? id : undefined
  return id ?? /^snapshot-[0-9TZ]+-([0-9a-f]{8})/.exec(born)?.[1]
}

function expectVersions({ promises, world, isCopy }: Scene, { affected, incomplete }: CheckResult, reading: boolean): void {
  const { physical } = promises
  const restorable = physical.holdings('seen')
  const listed = reading ? restorable : physical.listed()
  const doubtful = new Set([...physical.claims.values()].flatMap(ids => [...ids]))
  for (const pack of physical.liedAbout()) for (const id of physical.chunksOf(pack)) doubtful.add(id)
  const isSure = (chunk: string): boolean => ![...physical.withBases([chunk])].some(id => doubtful.has(id))
  for (const { objectName, id, listed: listedAt, manifest, files } of promises.standing()) {
    const [object] = physical.copies('seen', objectName)
    if (!object || !physical.isIntact(object)) continue
    const own = affected.filter(({ version }) => id.startsWith(version))
    const lost = [...manifest, ...files.values()].some(chunk => !listed.has(chunk) && isSure(chunk))
    const isYoung = !isCopy && object.created > Math.max(listedAt + COMMIT_WINDOW_MS, world.storeTime - 24 * HOUR)
    if (lost && own.length === 0 && !(isYoung && incomplete > 0))
      throw new Loss('report', `${short(objectName)} lacks something, and a check does not say so`)
    for (const { path, why } of own) {
      const chunks = path === undefined ? manifest : [files.get(path)!]
      if (chunks.every(chunk => restorable.has(chunk) && isSure(chunk)))
        throw new Loss('report', `${short(objectName)}: ${path ?? 'all'} is whole, and a check says: ${why}`)
    }
  }
}

/** Throws if a repair has left a good object without its name, or an index that lies. */
export function expectRepaired(promises: Promises): void {
  const { physical } = promises
  for (const copy of physical.copies('anywhere')) {
    const isNeeded = copy.name !== copy.born && physical.isIntact(copy) && !physical.isThere(copy.born, 'seen')
    if (isNeeded && !copy.born.startsWith('index-') && !promises.isStruckNow)
      throw new Loss('offer', `a repair leaves ${short(copy.name)} (${short(copy.born)})`)
  }
  const [lie] = physical.liedAbout()
  if (lie !== undefined && !promises.isStruckNow) throw new Loss('offer', `a repair leaves an index that lies about ${short(lie)}`)
}
