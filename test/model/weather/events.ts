import { short, type Copy } from '../world.ts'
import type { Scene } from './scene.ts'

/** What happens to objects without anybody's command. */
export type Strike = 'rot' | 'cut' | 'loss' | 'twice' | 'rename' | 'trash'

/** What sync clients, browsers and people make of a name. */
const RENAMED: ((name: string) => string)[] = [
  name => beforeEnding(name, ' (1)'),
  name => `Copy of ${name}`,
  name => beforeEnding(name, ' - Copy'),
  name => beforeEnding(name, '(1)'),
  name => beforeEnding(name, ' (conflicted copy 2026-11-22)'),
  name => beforeEnding(name, '~1'),
  name => `${name}.bak`,
  name => name.toUpperCase(),
]

function beforeEnding(name: string, text: string): string {
  return name.replace(/(\.json)?$/, ending => text + ending)
}

/** Objects that the weather can strike: those whose names begin with `kind`. */
export function targets({ world }: Scene, kind = ''): Copy[] {
  return world.copies.filter(({ deleted, trashed, name }) => deleted === undefined && !trashed && name.startsWith(kind))
}

export function strike(scene: Scene, kind: Strike, copy: Copy): void {
  const { world, promises } = scene
  scene.isHarmed = true
  promises.strike(copy)
  world.note(scene.actor, `${kind}: ${short(copy.name)}`)
  if (kind === 'rot') rot(scene, copy)
  else if (kind === 'cut') copy.bytes = copy.bytes.slice(0, Math.floor(world.chance() * world.pick([0, 1, 1]) * copy.bytes.length))
  else if (kind === 'loss') copy.deleted = world.time
  else if (kind === 'trash') copy.trashed = true
  else if (kind === 'rename') copy.name = newName(scene, copy)
  else double(scene, copy)
  promises.struckNow()
}

/** One byte changes, mostly one of the blocks. */
function rot({ world }: Scene, copy: Copy): void {
  const at = Math.floor(world.chance() * copy.bytes.length)
  copy.bytes = copy.bytes.slice()
  copy.bytes[at]! ^= 1 << Math.floor(world.chance() * 8)
}

function newName({ world }: Scene, { name }: Copy): string {
  const named = world.pick(RENAMED)(name)
  return world.copies.some(({ name, deleted }) => name === named && deleted === undefined) ? `${named}.1` : named
}

/** A second object of the name where that can be, otherwise of a similar name; one of the two may rot. */
function double(scene: Scene, copy: Copy): void {
  const { world } = scene
  const created = copy.created + Math.floor((world.chance() - 0.5) * 3 * 60_000)
  const twin = { ...copy, created, name: world.sums ? copy.name : newName(scene, copy) }
  world.copies.push(twin)
  if (world.happens(0.5)) rot(scene, world.happens(0.5) ? twin : copy)
}

/** A person takes objects out of the trash again. */
export function putBack({ world, actor, promises }: Scene): void {
  for (const copy of world.copies) copy.trashed = false
  world.note(actor, 'all is put back from the trash')
  promises.struckNow()
}

/** The whole store is copied, in any order; the old one is gone, and work goes on in the copy. */
export function copyStore(scene: Scene): void {
  const { world, actor, promises } = scene
  scene.isCopy = true
  const rest = targets(scene)
  world.copies.length = 0
  while (rest.length > 0) {
    world.time += Math.floor(world.chance() * 2000)
    const [copy] = rest.splice(Math.floor(world.chance() * rest.length), 1)
    world.copies.push({ ...copy!, created: world.storeTime })
  }
  world.note(actor, 'the store is copied')
  promises.struckNow()
}

export const YEAR = 365 * 24 * 60 * 60_000

/** The store's clock, or an actor's, is wrong by years from now on; or right again. */
export function changeClock({ world, actor }: Scene): void {
  const years = (world.clock === 0 && actor.skew === 0) || world.happens(0.3) ? world.pick([-46, -3, 2, 73]) : 0
  if (world.happens(0.7)) world.clock = years * YEAR
  else actor.skew = years * YEAR
  if (years === 0) world.clock = actor.skew = 0
  world.note(actor, `clocks: store ${world.clock / YEAR} years, own ${actor.skew / YEAR} years`)
}
