import { AppError } from '../../util/errors.ts'
import { plural } from '../../util/words.ts'
import type { OpenRepository } from '../open/open.ts'
import type { GracePeriods } from './grace-periods.ts'
import { type IndexHistory, packsNamedBy } from './indexes.ts'
import type { MarkOptions } from './plan/choose-copies.ts'
import { chosenOf, endangeredBy } from './plan/endangered-chunks.ts'
import { type MarkPlan, planMarks } from './plan/mark-plan.ts'
import { neededPacks } from './plan/needed-packs.ts'
import type { Reachability } from './plan/reachable-chunks.ts'
import { Proofs } from './proofs.ts'

/** What may go, by pack numbers: everything that it rests on was verified. */
export interface Decision {
  /** Packs to delete now, and packs in tombs of the same age that have to stay. */
  sweep: number[]
  held: number[]
  plan: MarkPlan
}

export interface DecisionBasis {
  waits: GracePeriods
  /** When each tombed pack may be deleted. */
  due: ReadonlyMap<string, number>
  indexes: IndexHistory
  /** Ids of packs that are deleted by now. */
  deleted: ReadonlySet<string>
  /** Ids of packs to mark at once if no version needs them, however young they are. */
  freed: ReadonlySet<string>
  sparesDeltas: boolean
}

/** So many times damage may be found that nobody knew of. A repository that needs more is not worth a prune. */
const MOST_ROUNDS = 50

/** Decides which packs go (rules 7 and 8). Decides again whenever it finds out that a copy to rely on is damaged. */
export class Decider {
  readonly proofs: Proofs
  private readonly repository: OpenRepository
  private readonly reachable: Reachability
  private readonly basis: DecisionBasis

  constructor(repository: OpenRepository, reachable: Reachability, basis: DecisionBasis) {
    this.repository = repository
    this.reachable = reachable
    this.basis = basis
    this.proofs = new Proofs(repository)
  }

  /** Undefined if an index lies about a pack. */
  async decide(): Promise<Decision | undefined> {
    const { proofs } = this
    const candidates = this.duePacks()
    const isOld = await this.packsToRelyOn(candidates)
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const plan = this.planNow()
      const sweep = this.sweepOf(candidates, isOld, plan)
      const isPlanProven = await this.isProven(plan)
      // anybody who may add objects can have made the tomb and the copies
      const isSweepProven = await proofs.hold(sweep.packs, sweep.relied)
      if (proofs.misdescribed.length > 0) return undefined
      if (!isPlanProven || !isSweepProven) continue
      if (plan.lost.length > 0) proofs.problems.push(describeLost(plan.lost.length))
      const goes = new Set(sweep.packs)
      return { plan, sweep: sweep.packs, held: candidates.filter(pack => !goes.has(pack)) }
    }
    throw new AppError('corrupt', 'More packs are damaged than a prune can cope with. Nothing was deleted.', {
      hint: 'Run `colab-escape check --read-data` to see what is damaged.',
    })
  }

  /** A plan of marks with these changes, of which everything that it rests on was verified. */
  async plan(changes: Partial<MarkOptions>): Promise<MarkPlan> {
    let plan = this.planNow(changes)
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (await this.isProven(plan)) return plan
      plan = this.planNow(changes)
    }
    return { ...plan, dead: [], rewrite: [] }
  }

  createdAt(pack: number): number {
    return this.repository.view.inventory.packs.get(this.repository.index.packs[pack]!.id)!.created
  }

  private isProven({ dead, rewrite, chosen }: MarkPlan): Promise<boolean> {
    const { index } = this.repository
    const goes = [...dead, ...rewrite]
    return this.proofs.hold(goes, chosenOf(index, endangeredBy(index, goes), chosen))
  }

  private planNow(changes: Partial<MarkOptions> = {}): MarkPlan {
    const { index, view } = this.repository
    const { damaged, bad } = this.proofs
    const isTombed = (pack: number): boolean => view.tombedPacks.has(index.packs[pack]!.id)
    const plan = planMarks(index, this.reachable, {
      stateOf: pack => {
        const { id, writable } = index.packs[pack]!
        if (this.basis.deleted.has(id)) return 'gone'
        if (isTombed(pack)) return 'tombed'
        return writable ? 'usable' : 'damaged'
      },
      isSpared: pack => this.isSpared(pack),
      bad,
      sparesDeltas: this.basis.sparesDeltas,
      ...changes,
      isUnreadable: pack => (damaged.has(pack) && !isTombed(pack)) || changes.isUnreadable?.(pack) === true,
    })
    return { ...plan, dead: plan.dead.filter(pack => this.mayGo(pack, plan)) }
  }

  private isSpared(pack: number): boolean {
    const { asOf } = this.repository.view.inventory
    const { freed, waits } = this.basis
    return !freed.has(this.repository.index.packs[pack]!.id) && this.createdAt(pack) > asOf - waits.orphanMs
  }

  /** A pack with an unknown content stays while anything is missed: it may be in this pack. */
  private mayGo(pack: number, { lost }: MarkPlan): boolean {
    return !this.proofs.unreadable.has(pack) || (lost.length === 0 && this.reachable.lacksChunks !== true)
  }

  /** The tombed packs that are old enough (rule 8). */
  private duePacks(): number[] {
    const { index, view } = this.repository
    return index.packs.flatMap(({ id }, pack) => ((this.basis.due.get(id) ?? Infinity) <= view.inventory.asOf ? [pack] : []))
  }

  /** A test for the packs that a sweep may rely on: every listing shows them and an index that names them. */
  private async packsToRelyOn(candidates: readonly number[]): Promise<(pack: number) => boolean> {
    if (candidates.length === 0) return () => false
    const { index, view } = this.repository
    const shown = view.inventory.asOf - this.basis.waits.lagMs
    const named = packsNamedBy(await this.basis.indexes.at(shown))
    return pack => {
      const { id, writable } = index.packs[pack]!
      return writable && named.has(id) && this.createdAt(pack) <= shown
    }
  }

  /** Rule 8: the packs that may be deleted now, and the copies that are relied on instead of those in them. */
  private sweepOf(
    candidates: readonly number[],
    isOld: (pack: number) => boolean,
    plan: MarkPlan,
  ): { packs: number[]; relied: ReadonlySet<number> } {
    const relied = new Set<number>()
    if (candidates.length === 0) return { packs: [], relied }
    const { index } = this.repository
    const { bad, damaged } = this.proofs
    const endangered = endangeredBy(index, candidates)
    const needed = neededPacks(
      index,
      this.reachable,
      entry => {
        const pack = index.packOf(entry)
        return isOld(pack) && !damaged.has(pack) && !bad.has(entry)
      },
      entry => {
        if (endangered.size > 0 && endangered.has(index.find(index.id(entry)))) relied.add(entry)
      },
    )
    return { packs: candidates.filter(pack => !needed.has(pack) && this.mayGo(pack, plan)), relied }
  }
}

function describeLost(chunks: number): string {
  const what = plural(chunks, 'chunk that a version needs', 'chunks that versions need')
  return `${what} can't be read from any pack. The packs that hold ${chunks === 1 ? 'it' : 'them'} stay. \`colab-escape check --read-data\` names the files.`
}
