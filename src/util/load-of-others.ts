import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** Processor time in seconds since some moment in the past. */
export interface CpuTimes {
  /** Monotonic seconds. */
  at: number
  /** Of this process, with all its threads. */
  own: number
  /** Of all processes on the machine, and in this container, each with the processors that they share. */
  groups: { used: number; processors: number }[]
}

/** Between two looks, seconds: clocks of processors tick a hundred times a second. */
const SHORTEST = 0.5

/** How much of the processors other programs use. */
export class LoadOfOthers {
  private readonly read: () => CpuTimes
  private before: CpuTimes
  private share: number | undefined

  constructor(read: () => CpuTimes = readCpuTimes) {
    this.read = read
    this.before = read()
  }

  /**
   * The share of the processors that other programs used lately, of the machine's or of this container's, whichever is
   * higher. Undefined at first, and where the system does not tell.
   */
  now(): number | undefined {
    const times = this.read()
    if (times.at - this.before.at >= SHORTEST) {
      this.share = shareOfOthers(this.before, times)
      this.before = times
    }
    return this.share
  }
}

/** From 0 to 1. Undefined if no group counted even this process, as in sandboxes that hide the machine. */
export function shareOfOthers(before: CpuTimes, after: CpuTimes): number | undefined {
  const seconds = after.at - before.at
  const own = after.own - before.own
  const shares = after.groups.flatMap(({ used, processors }, i) => {
    const all = used - (before.groups[i]?.used ?? used)
    return all > own / 2 ? [Math.min(1, Math.max(0, all - own) / (seconds * processors))] : []
  })
  return shares.length === 0 ? undefined : Math.max(...shares)
}

function readCpuTimes(): CpuTimes {
  const { user, system } = process.cpuUsage()
  const machine = cpus().map(({ times }) => (times.user + times.nice + times.sys + times.irq) / 1000)
  const groups = [{ used: machine.reduce((sum, seconds) => sum + seconds, 0), processors: machine.length }]
  const container = readContainer()
  return { at: performance.now() / 1000, own: (user + system) / 1e6, groups: container ? [...groups, container] : groups }
}

/** This container, if it may use only some of the machine's processors (cgroups of Linux, version 2 or 1). */
function readContainer(): CpuTimes['groups'][number] | undefined {
  const [quota, period] = numbersIn('cpu.max')
  const [, microseconds] = numbersIn('cpu.stat')
  if (quota! > 0 && microseconds! >= 0) return { used: microseconds! / 1e6, processors: quota! / period! }
  const [oldQuota] = numbersIn('cpu/cpu.cfs_quota_us')
  const [oldPeriod] = numbersIn('cpu/cpu.cfs_period_us')
  const [nanoseconds] = numbersIn('cpuacct/cpuacct.usage')
  if (oldQuota! > 0 && oldPeriod! > 0 && nanoseconds! >= 0) return { used: nanoseconds! / 1e9, processors: oldQuota! / oldPeriod! }
  return undefined
}

/** The words of a file of the container's cgroup as numbers; NaN for other words. None if there is no such file. */
function numbersIn(name: string): number[] {
  try {
    return readFileSync(`/sys/fs/cgroup/${name}`, 'latin1').split(/\s+/).map(Number)
  } catch {
    return []
  }
}
