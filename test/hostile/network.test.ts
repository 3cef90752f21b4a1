import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { DriveStorage } from '../../src/storage/drive/drive-storage.ts'
import type { AppError } from '../../src/util/errors.ts'
import { runCli } from '../helpers/cli.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { seededNoise } from '../helpers/seeded.ts'

const TOKEN = 'token-of-this-test'

interface Visit {
  path: string
  authorization: string | undefined
  bytes: number
}

/** A server that answers as it likes, and notes what it was sent. */
async function withServer(answer: RequestListener, use: (url: string, visits: Visit[]) => Promise<void>): Promise<void> {
  const visits: Visit[] = []
  const server = createServer((request, response) => {
    const visit = { path: request.url!, authorization: request.headers.authorization, bytes: 0 }
    visits.push(visit)
    request.on('data', (piece: Buffer) => (visit.bytes += piece.length))
    request.on('end', () => answer(request, response))
    response.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, visits)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function storeAt(baseUrl: string, more: { fetch?: typeof fetch; path?: string[] } = {}): DriveStorage {
  const tokens = { getToken: () => Promise.resolve(TOKEN) }
  return new DriveStorage({ tokens, path: [], baseUrl, fetch, sleep: () => Promise.resolve(), patience: timelessPatience(), ...more })
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json')
  response.end(typeof value === 'string' ? value : JSON.stringify(value))
}

const FILE = { id: 'file_1', name: 'pack-1', size: '5', createdTime: '2026-11-20T12:00:00.000Z' }

/** Writes for as long as somebody reads. */
function endless(response: ServerResponse, piece: Buffer): void {
  const write = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', write)
  }
  write()
}

describe('No answer from the network leads a request, a token or pushed data to a stranger', () => {
  const everyCall: [string, (store: DriveStorage) => Promise<unknown>][] = [
    ['a listing', store => store.list()],
    ['a small upload', store => store.put('pack-1', seededNoise(1, 1000))],
    ['a large upload', store => store.put('pack-1', seededNoise(1, 5_000_000))],
    ['the free space', store => store.quota()],
  ]
  test.each(everyCall)('redirects of %s are refused: nobody else is asked, sent anything or believed', (_, call) =>
    withServer(
      (_, response) => sendJson(response, { files: [], ids: ['stolen'] }),
      async (stranger, stolen) => {
        for (const status of [301, 302, 307, 308])
          await withServer(
            (request, response) => {
              if (request.url!.includes('generateIds')) return sendJson(response, { ids: ['id_1'] })
              response.writeHead(status, { location: `${stranger}/?secret=1` }).end()
            },
            async (url, visits) => {
              const error = await rejection(call(storeAt(url)), 'unavailable')
              expect(error.message).toMatch(/^Something between here and Drive leads to another address/)
              expect(error.hint).toContain('login page')
              expect(visits.length).toBeGreaterThan(0)
            },
          )
        expect(stolen).toEqual([])
      },
    ),
  )

  test('a session address, and a 308 with an address, are no way out either', () =>
    withServer(
      (_, response) => sendJson(response, {}),
      (stranger, stolen) =>
        withServer(
          (request, response) => {
            if (request.url!.includes('generateIds')) return sendJson(response, { ids: ['id_1'] })
            if (request.method === 'PUT') return response.writeHead(308, { location: stranger }).end()
            response.writeHead(200, {
              location: request.headers['x-lie'] === undefined ? `http://${request.headers.host}/session` : stranger,
            })
            response.end()
          },
          async url => {
            await rejection(storeAt(url).put('pack-1', seededNoise(1, 5_000_000)), 'unavailable')
            const lying: typeof fetch = (input, init) => fetch(input, { ...init, headers: { ...(init!.headers as object), 'x-lie': '1' } })
            const error = await rejection(storeAt(url, { fetch: lying }).put('pack-1', seededNoise(1, 5_000_000)), 'unavailable')
            expect(error.message).toContain('gave no address for the upload')
            expect(stolen).toEqual([])
          },
        ),
    ))

  test('a download goes on to the same server and to other hosts of Google, there without the token, and not for ever', async () => {
    const asked: { url: string; authorization: string | null }[] = []
    const world = (locations: string[]): typeof fetch => {
      asked.length = 0
      return (input, init) => {
        const url = String(input instanceof Request ? input.url : input)
        if (!url.includes('alt=media') && !url.includes('/moved')) return Promise.resolve(Response.json({ files: [FILE] }))
        asked.push({ url, authorization: new Headers(init?.headers).get('authorization') })
        expect(init!.redirect).toBe('manual')
        const location = locations[asked.length - 1]
        if (location === undefined) return Promise.resolve(new Response('hello'))
        return Promise.resolve(new Response(null, { status: 302, headers: { location } }))
      }
    }
    const google = 'https://www.googleapis.com'
    const read = (locations: string[]) => storeAt(google, { fetch: world(locations) }).get('pack-1')
    const other = 'https://doc-0-docs.googleusercontent.com/moved'
    expect(Buffer.from(await read(['/moved', other])).toString()).toBe('hello')
    expect(asked.map(({ authorization }) => authorization)).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`, null])
    expect(asked.at(-1)!.url).toBe(other)
    for (const location of [
      'http://www.googleapis.com/moved',
      'https://evil.example/moved',
      'https://evilgoogleapis.com/moved',
      'https://www.googleapis.com.evil.example/moved',
      'file:///etc/passwd',
      'data:text/plain,hello',
    ]) {
      await rejection(read(Array.from({ length: 100 }, () => location)), 'unavailable')
      // the download tries again by itself, but never there
      expect(
        asked.every(({ url }) => url.startsWith(`${google}/drive/v3/files/`)),
        location,
      ).toBe(true)
    }
    await rejection(read(Array.from({ length: 1000 }, () => '/moved')), 'unavailable')
    expect(asked.length).toBeLessThan(100)
  })

  test('a person in a network with a login page is told so', () =>
    withFolder(folder =>
      withServer(
        (_, response) => response.writeHead(302, { location: 'http://login.hotel.example/welcome\u00a0' }).end('<html>'),
        async url => {
          const env = {
            COLAB_ESCAPE_TOKEN: TOKEN,
            COLAB_ESCAPE_GOOGLE_ENDPOINT: url,
            COLAB_ESCAPE_CACHE: folder,
            COLAB_ESCAPE_CONFIG: folder,
          }
          const { code, stderr } = await runCli(['auth', 'status'], { cwd: folder, env })
          expect(code).not.toBe(0)
          expect(stderr).toMatch(/^error: .*perhaps the login page of a network\.\n {2}-> /m)
        },
      ),
    ))
})

describe('Whatever the network answers, each call ends with a clear error, in bounded time and memory', () => {
  const strange: [string, unknown][] = [
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"hello"'],
    ['nothing', ''],
    ['half of it', '{"files": [{"id": "a"'],
    ['files that are an object', { files: { length: 1e9 } }],
    ['files that are a text', { files: 'abc' }],
    ['a file that is null', { files: [null] }],
    ['a file without a name', { files: [{ ...FILE, name: undefined }] }],
    ['a name that is an object', { files: [{ ...FILE, name: { toString: 1 } }] }],
    ['a size that is an object', { files: [{ ...FILE, size: {} }] }],
    ['a negative size', { files: [{ ...FILE, size: '-1' }] }],
    ['a size of a million digits', { files: [{ ...FILE, size: '9'.repeat(1_000_000) }] }],
    ['a size that is not finite', `{"files": [{"id": "a", "name": "b", "createdTime": "2026-11-20T12:00:00Z", "size": 1e999}]}`],
    ['a time that is none', { files: [{ ...FILE, createdTime: 'yesterday' }] }],
    ['a time that is a number', { files: [{ ...FILE, createdTime: 7 }] }],
    ['a checksum that is a list', { files: [{ ...FILE, sha256Checksum: [] }] }],
    ['an id that leaves the address', { files: [{ ...FILE, id: '../../../upload?x=' }] }],
    ['an id of dots', { files: [{ ...FILE, id: '..' }] }],
    ['an id that leaves the query', { files: [{ ...FILE, id: "a' or trashed = true or 'b" }] }],
    ['an empty id', { files: [{ ...FILE, id: '' }] }],
    ['a token of a page that is a number', { files: [], nextPageToken: 1 }],
    ['ten million brackets', '['.repeat(10_000_000)],
  ]
  test.each(strange)('a listing that is %s', (_, answer) =>
    withServer(
      (_, response) => sendJson(response, answer),
      async url => {
        const error: AppError = await rejection(storeAt(url).list(), 'unavailable')
        expect(error.message).toMatch(/^Drive/)
        expect(error.message.length).toBeLessThan(200)
      },
    ),
  )

  test('ids of new files that are no ids, and a stored file that is none', () =>
    withServer(
      (request, response) => sendJson(response, request.url!.includes('generateIds') ? { ids: ['a/../b'] } : { files: [] }),
      async url => {
        await rejection(storeAt(url).put('pack-1', Buffer.from('x')), 'unavailable')
        await rejection(storeAt(url, { path: ['x'] }).put('pack-1', Buffer.from('x')), 'unavailable')
      },
    ))

  const pages: [string, (page: number) => unknown][] = [
    ['the same page again and again', () => ({ files: [FILE], nextPageToken: 'again' })],
    ['empty pages without an end', page => ({ files: [], nextPageToken: `page ${page}` })],
  ]
  test.each(pages)('%s', (_, answer) => {
    let page = 0
    return withServer(
      (_, response) => sendJson(response, answer(++page)),
      async url => {
        expect((await rejection(storeAt(url).list(), 'unavailable')).message).toBe("Drive's listing of the folder does not end.")
        expect(page).toBeLessThan(100)
      },
    )
  })

  test('a body without an end: of an answer, of an error, of a download', () =>
    withServer(
      (request: IncomingMessage, response) => {
        const { url } = request
        if (url!.includes('alt=media')) return endless(response, Buffer.alloc(65_536))
        if (url!.includes('about')) return void endless(response.writeHead(500), Buffer.alloc(65_536, '{'))
        if (listings++ % 2 === 0) return sendJson(response, { files: [FILE] })
        response.setHeader('content-type', 'application/json')
        endless(response, Buffer.alloc(65_536, '['))
      },
      async url => {
        const before = process.memoryUsage().arrayBuffers
        const store = storeAt(url)
        await store.list()
        expect((await store.get('pack-1')).length).toBe(5)
        expect((await rejection(store.list(), 'unavailable')).message).toBe("Drive's answer when trying to list the folder is too long.")
        expect((await rejection(store.quota(), 'unavailable')).message).toBe('Drive did not report its free space: HTTP 500')
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200_000_000)
      },
    ))
  let listings = 0

  test('an upload whose confirmed bytes go back and forth, and one whose session expires each time', () =>
    withServer(
      (request, response) => {
        if (request.url!.includes('generateIds')) return sendJson(response, { ids: ['id_1'] })
        if (request.method !== 'PUT') return response.writeHead(200, { location: `http://${request.headers.host}/session` }).end()
        const confirmed = puts++ % 2 === 0 ? 1000 : 500
        if (isExpiring && confirmed === 500) return response.writeHead(404).end()
        // the last bytes can't be confirmed in part, so a lost connection makes the program ask
        if (request.headers['content-range']!.startsWith('bytes */'))
          return response.writeHead(308, { range: `bytes=0-${confirmed}` }).end()
        request.socket.destroy()
      },
      async url => {
        for (isExpiring of [false, true]) await rejection(storeAt(url).put('pack-1', seededNoise(1, 5_000_000)), 'unavailable')
        expect(puts).toBeLessThan(200)
      },
    ))
  let puts = 0
  let isExpiring = false

  test('more bytes confirmed than there are', () =>
    withServer(
      (request, response) => {
        if (request.url!.includes('generateIds')) return sendJson(response, { ids: ['id_1'] })
        if (request.method !== 'PUT') return response.writeHead(200, { location: `http://${request.headers.host}/session` }).end()
        if (!request.headers['content-range']!.startsWith('bytes */')) return request.socket.destroy()
        response.writeHead(308, { range: `bytes=0-${6_000_000 + ++more}` }).end()
      },
      async url => {
        const error = await rejection(storeAt(url).put('pack-1', seededNoise(1, 5_000_000)), 'unavailable')
        expect(error.message).toBe('Drive confirmed an impossible number of bytes of pack-1.')
      },
    ))
  let more = 0

  test('an honest Drive is not affected', () =>
    withDrive({}, async emulator => {
      const store = driveStorage(emulator)
      await store.put('pack-1', seededNoise(1, 6_000_000))
      expect((await store.list()).objects.length).toBe(1)
      expect((await store.get('pack-1')).length).toBe(6_000_000)
    }))
})
