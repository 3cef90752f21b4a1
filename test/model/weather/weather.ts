import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { seededRandom } from '../../helpers/seeded.ts'
import { FILE_NAMES, TRAINING, type Sources } from '../means.ts'
import { Loss, type LossKind } from '../truth.ts'
import { HOUR, MINUTE } from '../world.ts'
import { changeClock, copyStore, putBack, strike, targets, type Strike } from './events.ts'
import { LIES } from './liar.ts'
import { Scene, type Climate } from './scene.ts'

/** What may happen in a run. */
export interface Weather {
  climate: Climate
  strikes?: readonly Strike[] | undefined
  copies?: boolean
  clocks?: boolean
  lies?: boolean
}

/** A promise that was broken, with the steps that led to it. */
class Broken extends Error {
  /** Undefined where a command failed in a way that it should not. */
  readonly lost: LossKind | undefined

  constructor(where: string, { world }: Scene, cause: unknown) {
    const why =
      cause instanceof Loss ? `${cause.kind}: ${cause.message}` : cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    super(`${where}: ${why}\n${world.log.join('\n')}`, { cause })
    this.lost = cause instanceof Loss ? cause.kind : undefined
  }
}

const PAUSES = [MINUTE, 10 * MINUTE, 70 * MINUTE, 70 * MINUTE, 3 * HOUR, 26 * HOUR, 26 * HOUR, 40 * 24 * HOUR]
const NAMES = ['x', 'y']
const TAGS = ['keep', 'best']
const POLICIES: RetentionPolicy[] = [
  { last: 1 },
  { last: 1, tags: ['keep'] },
  { last: 2 },
  { tags: ['keep', 'best'] },
  { daily: 3 },
  { daily: 2, tags: ['best'] },
]
const OPERATIONS = ['push', 'push', 'push', 'pushAgain', 'tag', 'untag', 'forget', 'forget', 'prune', 'prune', 'pruneNow'] as const
const RARE_OPERATIONS = ['check', 'checkAll', 'repair', 'emptyTrash'] as const

/** How often what was done, and came to its end. */
export type WeatherCounts = Record<string, number>

/** Runs a course that is written down; throws `Broken`. */
export async function runCourse(climate: Climate, sources: Sources, course: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = new Scene(seededRandom(1), climate, sources)
  try {
    await course(scene)
  } catch (error) {
    throw new Broken(climate, scene, error)
  }
}

/** Runs one seeded course of commands and weather; throws `Broken`. */
export async function runWeather(seed: number, sources: Sources, weather: Weather, counts: WeatherCounts = {}): Promise<void> {
  const run = new WeatherRun(seed, sources, weather, counts)
  try {
    await run.run()
  } catch (error) {
    throw new Broken(`seed ${seed}`, run.scene, error)
  }
}

class WeatherRun {
  readonly scene: Scene
  private readonly weather: Weather
  private readonly counts: WeatherCounts
  private readonly pushed: { name: string; files: string[] }[] = []

  constructor(seed: number, sources: Sources, weather: Weather, counts: WeatherCounts) {
    this.scene = new Scene(seededRandom(seed), weather.climate, sources)
    this.weather = weather
    this.counts = counts
  }

  async run(): Promise<void> {
    const { scene } = this
    const { world } = scene
    for (let i = 0; i < 3; i++) {
      await this.push()
      scene.pause(world.pick([MINUTE, HOUR, 26 * HOUR]))
    }
    const storms = world.pick([0, 0, 0.02])
    scene.between = () => {
      if (world.happens(storms)) this.strike()
    }
    for (let i = 0; i < 8; i++) {
      for (let events = world.pick([0, 0, 1, 1, 2]); events > 0; events--) await this.happen()
      const operation = world.happens(0.2) ? world.pick(RARE_OPERATIONS) : world.pick(OPERATIONS)
      const isDone = await this[operation]()
      const key = `${operation} ${isDone ? 'done' : 'refused'}`
      this.counts[key] = (this.counts[key] ?? 0) + 1
      scene.pause(world.pick(PAUSES))
    }
    await scene.check({ reading: true })
  }

  private async happen(): Promise<void> {
    const { copies, clocks, lies } = this.weather
    const { scene } = this
    const { world } = scene
    const may: (() => void)[] = []
    const { strikes = [] } = this.weather
    may.push(...strikes.map(() => () => this.strike()))
    if (strikes.includes('trash')) may.push(() => putBack(scene))
    if (copies) may.push(() => copyStore(scene))
    if (clocks) may.push(() => changeClock(scene))
    if (lies) may.push(() => LIES[world.pick(Object.keys(LIES) as (keyof typeof LIES)[])](scene))
    if (may.length === 0) return
    world.pick(may)()
    await scene.look()
  }

  private strike(): void {
    const { scene, weather } = this
    const { world } = scene
    if (!weather.strikes?.length) return
    const kind = world.pick(['pack-', 'pack-', 'pack-', 'snapshot-', 'index-', 'label-', 'tomb-'])
    const objects = targets(scene, kind)
    if (objects.length > 0) strike(scene, world.pick(weather.strikes), world.pick(objects))
  }

  private push(): Promise<boolean> {
    const { world } = this.scene
    const files = world.happens(0.5)
      ? ['c', 'b.1', TRAINING[this.pushed.length % TRAINING.length]!]
      : FILE_NAMES.filter(() => world.happens(0.4))
    const name = world.pick(NAMES)
    this.pushed.push({ name, files })
    return this.scene.push(name, files, world.happens(0.3) ? [world.pick(TAGS)] : [])
  }

  private pushAgain(): Promise<boolean> {
    const { name, files } = this.scene.world.pick(this.pushed)
    return this.scene.push(name, files)
  }

  private tag(): Promise<boolean> {
    const { world } = this.scene
    return this.scene.tag({ name: world.pick(NAMES), back: world.pick([0, 0, 1, 2]) }, { add: [world.pick(TAGS)] })
  }

  private untag(): Promise<boolean> {
    const { world } = this.scene
    const tag = world.pick(TAGS)
    return this.scene.tag({ name: world.pick(NAMES), at: tag }, { remove: [tag] })
  }

  private forget(): Promise<boolean> {
    const { world } = this.scene
    return this.scene.forget(world.happens(0.5) ? NAMES : [world.pick(NAMES)], world.pick(POLICIES), world.happens(0.05))
  }

  private prune(): Promise<boolean> {
    return this.scene.prune()
  }

  private pruneNow(): Promise<boolean> {
    return this.scene.prune({ now: true })
  }

  private check(): Promise<boolean> {
    return this.scene.check()
  }

  private checkAll(): Promise<boolean> {
    return this.scene.check({ reading: true })
  }

  private async emptyTrash(): Promise<boolean> {
    return this.weather.climate === 'drive' && (await this.scene.emptyTrash())
  }

  private async repair(): Promise<boolean> {
    return this.scene.canRepair && (await this.scene.repair())
  }
}
