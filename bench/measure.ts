import { spawnSync } from 'node:child_process'
import { readdirSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface Command {
  argv: readonly string[]
  cwd?: string
  /** Added to this process's environment. */
  env?: Readonly<Record<string, string>>
}

export interface Measurement {
  /** By the clock. */
  seconds: number
  /** User and system time of all processes; undefined without GNU time. */
  cpuSeconds: number | undefined
  /** The most resident bytes of the largest process; undefined without GNU time. */
  peakBytes: number | undefined
}

/** Times that come from several measurements: undefined where there is none. */
export type Summary = { [field in keyof Measurement]: number | undefined }

/** GNU time measures a command with all that it starts, and the largest process. Without it only the clock is read. */
const gnuTime = ['/usr/bin/time', 'gtime'].find(path => {
  const { stdout, stderr } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return /GNU/i.test(`${stdout}${stderr}`)
})

/** Runs a command to its end and measures it. Throws if the command fails. `scratch` is a path for a small file. */
export async function measure({ argv, cwd, env = {} }: Command, scratch: string): Promise<Measurement> {
  // an interrupt is noticed between two commands
  await nextTurn()
  // earlier writes must not slow this command down
  spawnSync('sync')
  const [command, ...rest] = gnuTime ? [gnuTime, '-q', '-f', '%U %S %M', '-o', scratch, ...argv] : argv
  const started = performance.now()
  const { status, signal, error, stderr } = spawnSync(command!, rest, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const seconds = (performance.now() - started) / 1000
  if (error) throw new Error(`${argv.join(' ')} could not be run: ${error.message}`, { cause: error })
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${signal ?? `code ${String(status)}`}:\n${stderr.slice(-2000)}`)
  if (!gnuTime) return { seconds, cpuSeconds: undefined, peakBytes: undefined }
  const [user = NaN, system = NaN, kilobytes = NaN] = readFileSync(scratch, 'utf8').trim().split(' ').map(Number)
  rmSync(scratch)
  return { seconds, cpuSeconds: user + system, peakBytes: kilobytes * 1024 }
}

/** Bytes of all files under `path`, which may be a file itself; 0 if there is nothing. */
export function sizeOf(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats?.isDirectory()) return stats?.size ?? 0
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

export function isSame(a: string, b: string): boolean {
  return spawnSync('diff', ['-r', '--no-dereference', a, b], { stdio: 'ignore' }).status === 0
}

/** Reads all files under `path`, so that every tool finds them in the system's cache. */
export function warmUp(path: string): void {
  spawnSync('sh', ['-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', path], { stdio: 'ignore' })
}

/** A list that begins elsewhere, so that a busy moment of the machine hits no tool in particular. */
export const rotated = <T>(list: readonly T[], by: number): T[] => [...list.slice(by % list.length), ...list.slice(0, by % list.length)]

/** The median of the numbers that are defined; undefined if none is. */
export function median(numbers: readonly (number | undefined)[]): number | undefined {
  const sorted = numbers.filter(number => number !== undefined).sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 0 && sorted.length > 0 ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[middle]
}

/** Summarizes measurements of the same command: median times, the largest peak. */
export function summary(measurements: readonly Measurement[]): Summary {
  const of = (field: keyof Measurement): (number | undefined)[] => measurements.map(measurement => measurement[field])
  return { seconds: median(of('seconds')), cpuSeconds: median(of('cpuSeconds')), peakBytes: largest(of('peakBytes')) }
}

/** Adds up measurements of commands that ran one after the other: the sum of times, the largest peak. */
export function total(measurements: readonly Summary[]): Summary {
  const sum = (field: keyof Summary): number => measurements.reduce((all, measurement) => all + (measurement[field] ?? NaN), 0)
  return { seconds: sum('seconds'), cpuSeconds: sum('cpuSeconds'), peakBytes: largest(measurements.map(({ peakBytes }) => peakBytes)) }
}

function largest(numbers: readonly (number | undefined)[]): number | undefined {
  const defined = numbers.filter(number => number !== undefined)
  return defined.length < numbers.length ? undefined : Math.max(...defined)
}
