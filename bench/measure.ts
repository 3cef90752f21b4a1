import { spawnSync } from 'node:child_process'
import { readdirSync, lstatSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** GNU time measures a command with all that it starts, and the largest of these processes. Without it only the clock is read. */
const gnuTime = ['/usr/bin/time', 'gtime'].find(path => {
  const { stdout, stderr } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return /GNU/i.test(`${stdout}${stderr}`)
})

/**
 * Runs `{argv, cwd, env}` to its end and measures it: `seconds` by the clock, `cpuSeconds` of user and system of all processes, `peakBytes` resident of the
 * largest one (both undefined without GNU time). A command that fails ends the benchmark with what it said. `scratch` is a path for a small file.
 */
export async function measure({ argv, cwd, env = {} }, scratch) {
  // an interrupt is noticed between two commands
  await nextTurn()
  // what was written before must not weigh on who comes next
  spawnSync('sync')
  const [command, ...rest] = gnuTime ? [gnuTime, '-q', '-f', '%U %S %M', '-o', scratch, ...argv] : argv
  const started = performance.now()
  const { status, signal, error, stderr } = spawnSync(command, rest, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const seconds = (performance.now() - started) / 1000
  if (error) throw new Error(`${argv[0]} could not be run: ${error.message}`, { cause: error })
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${signal ?? `code ${status}`}:\n${stderr.slice(-2000)}`)
  if (!gnuTime) return { seconds }
  const [user, system, kilobytes] = readFileSync(scratch, 'utf8').trim().split(' ').map(Number)
  rmSync(scratch)
  return { seconds, cpuSeconds: user + system, peakBytes: kilobytes * 1024 }
}

/** Bytes of all files under `path`, which may be one itself; nothing is 0. */
export function sizeOf(path) {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats?.isDirectory()) return stats?.size ?? 0
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

export function isSame(a, b) {
  return spawnSync('diff', ['-r', '--no-dereference', a, b], { stdio: 'ignore' }).status === 0
}

/** Reads all files under `path`, so that every tool finds them in the system's cache. */
export function warmUp(path) {
  spawnSync('sh', ['-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', path], { stdio: 'ignore' })
}

/** The middle of the numbers that are there; undefined where none is. */
export function median(numbers) {
  const sorted = numbers.filter(number => number !== undefined).sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 0 && sorted.length > 0 ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}

/** Of several measurements of one thing: median times, the largest peak. */
export function summary(measurements) {
  const of = field => measurements.map(measurement => measurement[field])
  return { seconds: median(of('seconds')), cpuSeconds: median(of('cpuSeconds')), peakBytes: largest(of('peakBytes')) }
}

/** Of measurements of things done one after the other: times added up, the largest peak. */
export function total(measurements) {
  const sum = field => measurements.reduce((all, measurement) => all + measurement[field], 0)
  return { seconds: sum('seconds'), cpuSeconds: sum('cpuSeconds'), peakBytes: largest(measurements.map(({ peakBytes }) => peakBytes)) }
}

const largest = numbers => (numbers.includes(undefined) ? undefined : Math.max(...numbers))
