import { below, type Random } from './mutate.ts'

/** How often a block ran, roughly: a new class is as good as a new block. */
function classOf(count: number): number {
  return count <= 3 ? count : count < 8 ? 4 : count < 16 ? 5 : count < 32 ? 6 : count < 128 ? 7 : 8
}

const CLASSES = 9
const MIN_MEMBERS = 8

/** An input and how many features no smaller one has. A feature is a block of code and a class of how often it ran. */
export interface Member {
  bytes: Uint8Array
  owned: number
}

/** The inputs that reach what no other reaches, each feature by the smallest of them. */
export class Population {
  readonly members: Member[] = []
  private readonly owners: (Member | undefined)[]
  private readonly counters: Uint32Array
  features = 0

  constructor(counters: Uint32Array) {
    this.counters = counters
    this.owners = new Array<Member | undefined>(counters.length * CLASSES).fill(undefined)
  }

  /** How many blocks have run for any member. */
  get blocks(): number {
    let count = 0
    for (let block = 0; block < this.counters.length; block++)
      if (this.owners.slice(block * CLASSES, (block + 1) * CLASSES).some(Boolean)) count++
    return count
  }

  /** Whether any of these blocks has run. */
  reaches(first: number, blocks: number): boolean {
    return this.owners.slice(first * CLASSES, (first + blocks) * CLASSES).some(Boolean)
  }

  /**
   * Keeps an input if the counters show features that are new, or known from larger inputs only. Returns the number of
   * new ones.
   */
  add(bytes: Uint8Array): number {
    const member: Member = { bytes, owned: 0 }
    let added = 0
    for (let block = 0; block < this.counters.length; block++) {
      const count = this.counters[block]!
      if (count === 0) continue
      const feature = block * CLASSES + classOf(count)
      const owner = this.owners[feature]
      if (owner !== undefined && owner.bytes.length <= bytes.length) continue
      if (owner === undefined) added++
      else owner.owned--
      this.owners[feature] = member
      member.owned++
    }
    this.features += added
    // code that is not instrumented shows nothing new
    if (member.owned > 0 || this.members.length < MIN_MEMBERS) this.members.push(member)
    if (this.members.length > 64 && this.members.filter(({ owned }) => owned > 0).length < this.members.length / 2)
      this.members.splice(0, Infinity, ...this.members.filter(({ owned }) => owned > 0))
    return added
  }

  /** One of the members: mostly a recent one, or one with features of its own. */
  pick(random: Random): Member {
    const from = random() < 0.3 ? Math.max(0, this.members.length - 16) : 0
    for (let tries = 0; ; tries++) {
      const member = this.members[from + below(random, this.members.length - from)]!
      if (member.owned > 0 || tries > 20) return member
    }
  }

  /** The inputs that have a feature of their own. */
  get reached(): Uint8Array[] {
    return this.members.filter(({ owned }) => owned > 0).map(({ bytes }) => bytes)
  }

  /** The smallest inputs of each block: a few that together reach every block. */
  get fewest(): Uint8Array[] {
    const needed = new Set<Member>()
    for (let block = 0; block < this.counters.length; block++) {
      const owners = this.owners.slice(block * CLASSES, (block + 1) * CLASSES).filter(owner => owner !== undefined)
      if (owners.length > 0 && !owners.some(owner => needed.has(owner))) needed.add(owners[0]!)
    }
    // code that is not instrumented has no blocks
    return [...(needed.size === 0 ? this.members : needed)].map(({ bytes }) => bytes)
  }
}
