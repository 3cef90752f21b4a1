import { expect, test } from 'vitest'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { GRANULE } from '../drive-emulator/resumable.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { objectsOf } from './scene.ts'

/** Bytes of the last piece: up to 256 KiB it goes to `fetch` as it is, and more in parts. */
const SIZES = [1, GRANULE - 1, GRANULE, GRANULE + 1, 3 * GRANULE]
/** Whether the bytes get to Drive, and the range that its 308 confirms. */
const ANSWERS: ['sent' | 'lost', string | undefined][] = [
  ['sent', 'all'],
  ['sent', 'bytes=0-0'],
  ['sent', undefined],
  ['lost', undefined],
]

/** The first piece that ends a file, or every piece for the first time, is answered 308. */
function unfinished(isMeant: (range: string) => boolean, [fate, confirmed]: (typeof ANSWERS)[number]): typeof fetch {
  const seen = new Set<string>()
  return async (input, init) => {
    const range = new Headers(init?.headers).get('content-range') ?? ''
    if (!/^bytes \d/.test(range) || !isMeant(range) || seen.has(range)) return fetch(input, init)
    seen.add(range)
    if (fate === 'sent') await (await fetch(input, init)).body?.cancel()
    // what `fetch` makes of it
    if (init?.redirect === 'error') throw new TypeError('fetch failed', { cause: new Error('unexpected redirect') })
    const all = `bytes=0-${/-(\d+)\//.exec(range)![1]}`
    return new Response(null, { status: 308, headers: confirmed === undefined ? {} : { range: confirmed === 'all' ? all : confirmed } })
  }
}

const isLast = (range: string): boolean =>
  /-(\d+)\/(\d+)$/
    .exec(range)
    ?.slice(1)
    .reduce((end, total) => String(Number(total) - Number(end))) === '1'

async function store(emulator: DriveEmulator, bytes: Buffer, options: { fetch: typeof fetch }, piece: number): Promise<void> {
  const drive = driveStorage(emulator, { ...options, pieces: { sent: piece, fetched: GRANULE } })
  const file = drive.ordinaryFile('data.bin')
  const writer = await file.create([])
  await writer.write(bytes)
  await writer.finish()
  expect(objectsOf(emulator).map(({ content }) => content!.bytes.equals(bytes))).toEqual([true])
}

/** Drive keeps what these answers confirm, and adds none of its own. */
const QUIET = { behaviours: {} }
const CASES = SIZES.flatMap(size => ANSWERS.map(answer => [size, ...answer] as const))

test.each(CASES)('a last piece of %i bytes, %s, answered 308 with the range %s, is stored', (size, ...answer) =>
  withDrive(QUIET, async emulator => {
    const bytes = seededNoise(1, 4 * GRANULE + size)
    await store(emulator, bytes, { fetch: unfinished(isLast, answer) }, 4 * GRANULE)
    const [first] = objectsOf(emulator)
    expect(first!.content!.bytes.length).toBe(bytes.length)
  }),
)

test.each(CASES)('a file of %i bytes in one piece, %s, answered 308 with the range %s, is stored', (size, ...answer) =>
  withDrive(QUIET, emulator => store(emulator, seededNoise(1, size), { fetch: unfinished(isLast, answer) }, 4 * GRANULE)),
)

test.each(ANSWERS)('pieces before the last one, %s, answered 308 with the range %s, are stored', (...answer) =>
  withDrive(QUIET, emulator => store(emulator, seededNoise(1, 9 * GRANULE), { fetch: unfinished(() => true, answer) }, 2 * GRANULE)),
)

test('a last piece that is answered 308 on both sides of a storm of a minute is stored', () =>
  withDrive({ behaviours: {} }, async emulator => {
    const twice = [1, 3].map(nth => ({ on: 'upload.piece', nth, do: { acceptOnlyBytes: 0 } }) as const)
    for (const fault of twice) emulator.faults.add(fault)
    emulator.faults.add({ on: 'upload.piece', nth: 2, do: { status: 403, reason: 'userRateLimitExceeded', retryAfter: 60 } })
    await store(emulator, seededNoise(1, 3 * GRANULE), { fetch }, 4 * GRANULE)
  }))
