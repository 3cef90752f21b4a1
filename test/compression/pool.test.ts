import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BlockLayout } from '../../src/compression/block.ts'
import { encodeBlock } from '../../src/compression/block.ts'
import { CODEC_RAW, CODEC_ZSTD } from '../../src/compression/codecs.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import type { PoolOptions } from '../../src/compression/pool.ts'
import { CompressionPool } from '../../src/compression/pool.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { AppError } from '../../src/util/errors.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { CODECS, csvLike, floatLike, MIB, textLike } from './data.ts'

const general = { level: 'balanced', kind: 'general' } as const
const unknownFilter: BlockLayout = { filter: 99, parameters: new Uint8Array(0), parts: [] }

let directory: string
let workerUrl: URL
const pools: CompressionPool[] = []

const banner = `import { createRequire } from 'node:module'; import { dirname } from 'node:path'; import { fileURLToPath } from 'node:url';
const require = createRequire(import.meta.url), __filename = fileURLToPath(import.meta.url), __dirname = dirname(__filename);`

async function bundle(source: string, name: string): Promise<string> {
  const outfile = join(directory, name)
  const entryPoints = [new URL(`../../src/${source}`, import.meta.url).pathname]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', banner: { js: banner } })
  return outfile
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'colab-escape-pool-'))
  workerUrl = pathToFileURL(await bundle('worker.ts', 'worker.mjs'))
})

afterAll(() => {
  rmSync(directory, { recursive: true })
})

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

function open(options: PoolOptions): CompressionPool {
  const pool = new CompressionPool({ workerUrl, ...options })
  pools.push(pool)
  return pool
}

/** A worker whose whole program is `body`, where `port` is its end of the channel. */
function workerOf(body: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort as port } from 'node:worker_threads'; ${body}`)}`)
}

describe.each([0, 1, 2])('a pool of %i workers', workers => {
  it.each([textLike, seededNoise])('leaves what is in shared memory there (%o)', async make => {
    const pool = open({ workers })
    const plain = make(1, 300_000)
    const shared = (bytes: Uint8Array): Uint8Array => {
      const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 100)).subarray(0, bytes.length)
      view.set(bytes)
      return view
    }
    const given = shared(plain)
    const base = shared(plain)
    const { bytes, ...layout } = await pool.encode(given, { ...general, kind: 'tensor', base: { relation: 'delta', bytes: base } })
    expect(equalBytes(base, plain)).toBe(true)
    if (workers > 0) expect([bytes.buffer, bytes.byteOffset]).toEqual([given.buffer, given.byteOffset])
    expect(equalBytes(await pool.decode(layout, bytes, base), plain)).toBe(true)
  })

  it('puts a decoded block into the memory that it is given, if it fits', async () => {
    const pool = open({ workers })
    const plain = textLike(1, 300_000)
    const { bytes, ...layout } = await pool.encode(new Uint8Array(plain), general)
    for (const [room, fits] of [
      [plain.length + 5, true],
      [plain.length - 1, false],
    ] as const) {
      const into = new Uint8Array(new SharedArrayBuffer(room))
      const back = await pool.decode(layout, new Uint8Array(bytes), undefined, undefined, into)
      expect(equalBytes(back, plain)).toBe(true)
      const isThere = equalBytes(into.subarray(0, plain.length), plain)
      expect([isThere, back.buffer instanceof SharedArrayBuffer]).toEqual(workers > 0 && fits ? [true, true] : [false, false])
    }
  })

  it.each(CODECS)('encodes and decodes many blocks at once (%s)', async prefer => {
    const pool = open({ workers, prefer })
    const plains = Array.from({ length: 12 }, (_, i) => [textLike, floatLike, csvLike, seededNoise][i % 4]!(i, 1 + i * 40_000))
    const copies = plains.map(plain => new Uint8Array(plain))
    const encoding = plains.map(plain => pool.encode(plain, general))
    expect(pool.pending).toBe(12)
    const blocks = await Promise.all(encoding)
    expect(pool.pending).toBe(0)

    const zstd = await loadZstd(prefer)
    for (const [i, block] of blocks.entries()) {
      const { parts, bytes } = encodeBlock(copies[i]!, general, zstd)
      expect(block.parts).toEqual(parts)
      expect(equalBytes(block.bytes, bytes)).toBe(true)
    }
    const back = await Promise.all(blocks.map(block => pool.decode(block, block.bytes)))
    for (const [i, plain] of back.entries()) expect(equalBytes(plain, copies[i]!)).toBe(true)
  })

  it('hands errors on as they were thrown, and works on', async () => {
    const pool = open({ workers })
    const damaged = { filter: 0, parameters: new Uint8Array(0), parts: [{ codec: CODEC_ZSTD, storedLength: 50, plainLength: 100 }] }
    const failure = await pool.decode(unknownFilter, new Uint8Array(9)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(AppError)
    expect(failure).toMatchObject({ code: 'newer-format', hint: expect.stringContaining('newest colab-escape') as string })
    await expect(pool.decode(damaged, seededNoise(1, 50))).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining('damaged') as string,
    })
    await expect(pool.encode(new Uint8Array(0), general)).rejects.toThrow('a block has 1 to')
    expect((await pool.encode(textLike(1, 1000), general)).bytes.length).toBeLessThan(1000)
  })

  it('rejects what is left when it is closed, and what comes later', async () => {
    const pool = open({ workers })
    const left = [1, 2, 3, 4].map(seed => pool.encode(textLike(seed, MIB), general).catch((error: unknown) => error))
    await pool.close()
    for (const outcome of await Promise.all(left)) expect(outcome).toMatchObject({ code: 'interrupted' })
    expect(pool.pending).toBe(0)
    await expect(pool.encode(textLike(1, 100), general)).rejects.toMatchObject({ code: 'interrupted' })
    await pool.close()
  })
})

describe('a pool', () => {
  it('takes buffers over where they are whole, and copies views', async () => {
    const pool = open({ workers: 1 })
    const whole = textLike(1, 1000)
    const around = textLike(2, 1000)
    const blocks = await Promise.all([pool.encode(whole, general), pool.encode(around.subarray(100, 900), general)])
    expect(whole.length).toBe(0)
    expect(around.length).toBe(1000)
    await expect(pool.encode(whole, general)).rejects.toThrow()
    expect(blocks[1].parts[0]!.plainLength).toBe(800)
    expect(blocks[1].bytes.byteLength).toBe(blocks[1].bytes.buffer.byteLength)
  })

  it('rejects a job that cannot be posted, and works on', async () => {
    const pool = open({ workers: 1 })
    const layout = { ...unknownFilter, filter: (() => 0) as unknown as number }
    await expect(pool.decode(layout, new Uint8Array(1))).rejects.toThrow('could not be cloned')
    expect(pool.pending).toBe(0)
    expect((await pool.encode(textLike(1, 1000), general)).bytes.length).toBeLessThan(1000)
  })

  it('starts as many threads as it may when it is warmed up, once, and ends them', async () => {
    let started = 0
    const heard = new BroadcastChannel('warmed up')
    heard.onmessage = () => started++
    const pool = open({ workers: 2, workerUrl: workerOf(`new BroadcastChannel('warmed up').postMessage(1)`) })
    pool.warmUp()
    pool.warmUp()
    while (started < 2) await new Promise(resolve => setTimeout(resolve, 5))
    await pool.close()
    pool.warmUp()
    await new Promise(resolve => setTimeout(resolve, 50))
    heard.close()
    expect(started).toBe(2)
  })

  it('gives jobs out first come first served, one at a time to each worker', async () => {
    const echo = workerOf(`
      let running = 0
      port.on('message', job => {
        running++
        setTimeout(() => { port.postMessage({ ok: true, result: { kind: 'decode', plain: Uint8Array.of(job.stored[0], running) } }); running-- }, 5)
      })`)
    const pool = open({ workers: 1, workerUrl: echo })
    const done: number[] = []
    const jobs = [1, 2, 3, 4, 5].map(async id => {
      const [echoed, running] = await pool.decode(unknownFilter, Uint8Array.of(id))
      expect(running).toBe(1)
      done.push(echoed!)
    })
    await Promise.all(jobs)
    expect(done).toEqual([1, 2, 3, 4, 5])
  })

  it.each([
    [
      'throws',
      `port.on('message', job => { if (job.stored[0] === 1) throw new Error('the worker is ill'); port.postMessage({ ok: true, result: { kind: 'decode', plain: job.stored } }) })`,
      'the worker is ill',
    ],
    [
      'exits',
      `port.on('message', job => { if (job.stored[0] === 1) process.exit(7); port.postMessage({ ok: true, result: { kind: 'decode', plain: job.stored } }) })`,
      'code 7',
    ],
  ])('replaces a worker that %s, and rejects its job alone', async (_, body, why) => {
    const pool = open({ workers: 1, workerUrl: workerOf(body) })
    const outcomes = [0, 1, 2, 1, 3].map(id =>
      pool.decode(unknownFilter, Uint8Array.of(id)).then(
        ([echoed]) => echoed,
        (error: unknown) => error,
      ),
    )
    const lost = expect.objectContaining({ code: 'io', message: expect.stringContaining(why) as string }) as unknown
    expect(await Promise.all(outcomes)).toEqual([0, lost, 2, lost, 3])
  })

  it('rejects every job when its worker cannot start', async () => {
    const pool = open({ workers: 2, workerUrl: pathToFileURL(join(directory, 'absent.mjs')) })
    const outcomes = [1, 2, 3].map(seed => pool.encode(textLike(seed, 100), general))
    for (const outcome of await Promise.allSettled(outcomes)) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'io' } })
    expect(pool.pending).toBe(0)
  })

  it('needs to know where its workers are', () => {
    expect(() => new CompressionPool({ workers: 1 })).toThrow(TypeError)
  })
})

describe('a program with a pool', () => {
  const run = async (body: string): Promise<string> => {
    const pool = await bundle('compression/pool.ts', 'pool.mjs')
    const program = join(directory, 'program.mjs')
    const plain = `Uint8Array.from({ length: 100000 }, (_, i) => i % 100)`
    writeFileSync(
      program,
      `import { CompressionPool } from ${JSON.stringify(pathToFileURL(pool).href)}
      const pool = new CompressionPool({ workers: 2, workerUrl: new URL(${JSON.stringify(workerUrl.href)}) })
      const encode = () => pool.encode(${plain}, { level: 'balanced', kind: 'general' })
      ${body}`,
    )
    return execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 20_000 })
  }

  it('waits for jobs that run, and ends by itself when the pool is idle', async () => {
    const outcome = await run(`encode().then(block => console.log('stored as', block.parts[0].codec))`)
    expect(outcome).toBe(`stored as ${CODEC_ZSTD}\n`)
  })

  it('lives on until close() has returned', async () => {
    expect(await run(`await encode(); await pool.close(); console.log('closed')`)).toBe('closed\n')
  })

  it('reads raw blocks back through the worker', async () => {
    const outcome = await run(`
      const { randomBytes } = await import('node:crypto')
      const block = await pool.encode(new Uint8Array(randomBytes(5000)), { level: 'fast', kind: 'compressed' })
      const back = await pool.decode(block, block.bytes)
      console.log(block.parts[0].codec, back.length)`)
    expect(outcome).toBe(`${CODEC_RAW} 5000\n`)
  })
})
