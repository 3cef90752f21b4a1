import { decodeIndexedPack } from '../../src/repository/format/index-object.ts'
import type * as Snapshots from '../../src/repository/format/snapshot.ts'
import type * as Indexes from '../../src/repository/prune/indexes.ts'
import type * as Needed from '../../src/repository/prune/plan/needed-packs.ts'
import type * as Retire from '../../src/repository/prune/tombs.ts'
import type * as Presence from '../../src/repository/write/own-packs.ts'

/** Which rule is left out now, in the words of the test. */
export interface Broken {
  rule: string | undefined
}

export function presence(real: typeof Presence, broken: Broken): typeof Presence {
  return {
    ...real,
    includeOwnPacks: (view, own) => {
      if (broken.rule === '6: writers never use tombed packs') for (const pack of view.index.packs) pack.writable = true
      if (broken.rule === '3: what is not listed is not present')
        for (const pack of view.missingPacks) view.index.add({ id: pack.id, size: pack.size, writable: true }, decodeIndexedPack(pack))
      if (broken.rule !== '3: own packs count for less than L') return real.includeOwnPacks(view, own)
      return real.includeOwnPacks(
        view,
        own.map(pack => ({ ...pack, created: view.inventory.asOf })),
      )
    },
  }
}

export function snapshot(real: typeof Snapshots, broken: Broken): typeof Snapshots {
  return { ...real, isLate: found => broken.rule !== '5: a late push checks once more' && real.isLate(found) }
}

export function needed(real: typeof Needed, broken: Broken): typeof Needed {
  return {
    ...real,
    neededPacks: (index, reachable, isReliable, ...more) => {
      if (broken.rule === '8: needed packs stay') return new Set()
      return real.neededPacks(index, reachable, copy => broken.rule === '8: nothing relies on tombed packs' || isReliable(copy), ...more)
    },
  }
}

export function indexes(real: typeof Indexes, broken: Broken): typeof Indexes {
  return {
    ...real,
    droppablePacks: async (history, view, deleted, waits) => {
      if (broken.rule !== '9: an index drops only what is deleted') return real.droppablePacks(history, view, deleted, waits)
      return new Set([...deleted, ...view.missingPacks.map(({ id }) => id)])
    },
    deletableIndexes: (view, old) =>
      broken.rule === '9: superseded indexes stay for G' ? view.supersededIndexes : real.deletableIndexes(view, old),
  }
}

export function retire(real: typeof Retire, broken: Broken): typeof Retire {
  return {
    ...real,
    retireTombs: async (context, view, deleted, waits) => {
      const lift = broken.rule === '6: tombs are never lifted'
      if (!lift && broken.rule !== '10: tombs stay for G after their packs') return real.retireTombs(context, view, deleted, waits)
      let count = lift ? await real.retireTombs(context, view, deleted, waits) : 0
      for (const [id, tomb] of view.tombs) {
        if (tomb.kind !== 'packs') continue
        const due = view.inventory.tombs.get(id)!.created <= view.inventory.asOf - waits.graceMs
        const left = tomb.packs.some(pack => view.inventory.packs.has(pack) && !deleted.has(pack))
        // lifted: those that are due and still needed; too early: those whose packs have just gone
        if (lift ? !due || !left : left) continue
        await context.storage.remove(`tomb-${id}.json`)
        count++
      }
      return count
    },
  }
}
