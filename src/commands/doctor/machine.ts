import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loadZstd, type ZstdName } from '../../compression/load-zstd.ts'
import { namesIn } from '../../local/list-folder.ts'
import { StatCache } from '../../repository/source/stat-cache.ts'
import { loadNotedVersion } from '../../repository/versions/noted-version.ts'
import { plural } from '../../ui/format.ts'
import { equalBytes } from '../../util/bytes.ts'
import { findProgram } from '../../util/find-program.ts'
import { createFetch, hostOf, type ProxySettings } from '../../util/http.ts'
import { silentReporter, type Reporter } from '../../util/reporter.ts'
import { howStrangersReachFolder } from '../../util/small-file.ts'
import { whyNotWritable } from '../shared/writable.ts'
import { attention, ok, problem, type Finding } from './checks.ts'

/** The Node that runs this, and the one that `npx` would run. */
export async function checkNode(version: string, env: NodeJS.Dict<string>, signal: AbortSignal): Promise<Finding> {
  const program = findProgram('node', env.PATH)
  const answer =
    program === undefined ? undefined : await promisify(execFile)(program, ['--version'], { signal, env }).catch(() => undefined)
  const onPath = answer?.stdout.trim()
  if (onPath === undefined || !isTooOld(onPath)) return ok(version)
  return attention(
    `This runs with ${version}, but the first node in PATH is ${onPath}: npx would use that, and it is too old.`,
    'Put a Node of 20.19 or newer first in PATH. In Colab, `!apt remove -y nodejs` brings the preinstalled one back.',
  )
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return major < 20 || (major === 20 && minor < 19)
}

/** Whether zstd decodes what it encodes. */
export async function checkZstd(prefer: ZstdName | undefined): Promise<Finding> {
  const zstd = await loadZstd(prefer)
  const plain = Buffer.from(Array.from({ length: 8_000 }, (_, i) => `${i * i},${i % 97}\n`).join(''))
  const stored = zstd.compress(plain, 3)
  if (!equalBytes(zstd.decompress(stored, plain.length), plain))
    return problem(
      `The ${zstd.name} codec does not return the bytes that it was given.`,
      'Update Node, or set COLAB_ESCAPE_ZSTD to the other codec.',
    )
  const which = zstd.name === 'native' ? 'built into Node' : 'portable'
  return ok(`${which}; it decodes what it encodes${zstd.name === 'native' ? '' : '. Node 22.15 and newer have a faster one.'}`)
}

/** The folder where this machine remembers the content of files. It only saves time. */
export async function checkCache(folder: string): Promise<Finding> {
  const stranger = existsSync(folder) ? howStrangersReachFolder(folder) : undefined
  if (stranger !== undefined)
    return attention(
      `${folder} is not used, because what is in it would be believed: ${stranger}. Every push reads all files again.`,
      'Make it a folder that only you can write to, or name another folder with COLAB_ESCAPE_CACHE.',
    )
  const unwritable = await whyNotWritable(folder)
  if (unwritable !== undefined)
    return attention(
      `${folder} can't be written to (${unwritable}): every push reads all files again.`,
      'Fix its permissions, or name another folder with COLAB_ESCAPE_CACHE.',
    )
  const damaged: string[] = []
  const reporter: Reporter = { ...silentReporter, detail: message => damaged.push(message) }
  const states = await filesIn(join(folder, 'files'))
  const versions = await filesIn(join(folder, 'versions'))
  for (const file of states) await new StatCache(file).load(reporter)
  for (const file of versions) await loadNotedVersion(file, reporter)
  const count = states.length + versions.length
  if (damaged.length === 0) return ok(`${folder}, ${count === 0 ? 'empty' : plural(count, 'file')}`)
  return attention(
    `${plural(damaged.length, 'file')} of ${count} in ${folder} can't be used: ${damaged[0]!}`,
    'Nothing is lost: the next push reads the files again and replaces the damaged data.',
  )
}

/** The folder of the saved login. */
export async function checkConfigFolder(folder: string): Promise<Finding> {
  const unwritable = await whyNotWritable(folder)
  if (unwritable === undefined) return ok(folder)
  return attention(
    `${folder} can't be written to (${unwritable}): a login can't be saved.`,
    'Fix its permissions, or name another folder with COLAB_ESCAPE_CONFIG.',
  )
}

async function filesIn(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter(name => name.endsWith('.jsonl')).map(name => join(folder, name))
}

/**
 * `size`: columns and rows of the terminal; undefined when stdout is not a terminal. In a notebook the columns may be
 * invented, and the rows are 0.
 */
export function checkTerminal(size: readonly [number, number] | undefined): Finding {
  if (size === undefined) return ok('none: output is in plain lines')
  const [columns, rows] = size
  return ok(
    columns > 0 && rows > 0 ? `${columns} columns, ${plural(rows, 'row')}` : 'size unknown, as in a notebook: 80 columns are assumed',
  )
}

export function checkProxy(proxy: ProxySettings): Finding {
  createFetch(proxy)
  const through = [
    ['HTTPS', proxy.https],
    ['HTTP', proxy.http],
  ].flatMap(([kind, address]) => (address === undefined ? [] : [`${kind} through ${hostOf(address)}`]))
  if (through.length === 0) return ok('none')
  return ok(`${through.join(', ')}${proxy.no === undefined || proxy.no === '' ? '' : `; directly to ${proxy.no}`}`)
}
