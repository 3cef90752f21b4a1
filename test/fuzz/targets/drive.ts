import type { DriveFile } from '../../../src/storage/drive/answers.ts'
import { DriveApi, FILES, ROOT } from '../../../src/storage/drive/drive-api.ts'
import { DriveHttp } from '../../../src/storage/drive/drive-http.ts'
import { Downloader } from '../../../src/storage/drive/download.ts'
import { DriveFolders } from '../../../src/storage/drive/folders.ts'
import { IdPool } from '../../../src/storage/drive/id-pool.ts'
import { Pace } from '../../../src/storage/drive/pace.ts'
import { MY_DRIVE } from '../../../src/storage/drive/place.ts'
import { ResumableSession } from '../../../src/storage/drive/resumable-session.ts'
import { AppError } from '../../../src/util/errors.ts'
import { isRecord } from '../../../src/util/json-fields.ts'
import { timelessPatience } from '../../helpers/patience.ts'
import { promise, type Target } from '../target.ts'

const ENDPOINT = 'https://www.googleapis.com'
const NOW = 1_764_000_000_000
const sleep = (): Promise<void> => Promise.resolve()

interface Answers {
  call: string
  answers: unknown[]
}

/** Answers each request with the next answer; after the last one the network is gone. */
function fetchOf(answers: unknown[]): typeof fetch {
  return async () => {
    const answer = answers.shift()
    if (!isRecord(answer)) throw new TypeError('fetch failed')
    const { status, headers, body } = answer
    const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 200 && status < 600
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const hasBody = isStatus && ![204, 205, 304].includes(status)
    return new Response(hasBody ? text : null, { status: isStatus ? status : 200, headers: headersOf(headers) })
  }
}

/** Those that HTTP allows. */
function headersOf(value: unknown): Headers {
  const headers = new Headers({ 'content-type': 'application/json' })
  for (const [name, text] of isRecord(value) ? Object.entries(value) : []) {
    try {
      headers.set(name, String(text))
    } catch {
      // no parser of HTTP would let it through
    }
  }
  return headers
}

function expectFile({ id, name, size, created, sha256, md5, trashed }: DriveFile): void {
  promise(typeof id === 'string' && typeof name === 'string', 'a file has an id and a name', id, name)
  promise(Number.isSafeInteger(size) && size >= 0, 'the size of a file is a number of bytes', String(size))
  promise(Number.isFinite(created), 'a file has a time')
  for (const sum of [sha256, md5]) promise(sum === undefined || typeof sum === 'string', 'a checksum is a text', sum)
  promise(trashed === 'by-folder' || typeof trashed === 'boolean', 'a file is in the trash or not')
}

const CALLS: Record<string, (http: DriveHttp) => Promise<void>> = {
  async list(http) {
    const { files, date } = await new DriveApi(http, ENDPOINT).listChildren([ROOT, { id: 'other', driveId: 'drive' }], FILES)
    files.forEach(expectFile)
    promise(date === undefined || Number.isFinite(date), 'a clock tells a time', date)
  },
  get: async http => expectFile(await new DriveApi(http, ENDPOINT).getFile('id')),
  create: async http => expectFile(await new DriveApi(http, ENDPOINT).createFolder('id', 'name', 'root')),
  delete: http => new DriveApi(http, ENDPOINT).deleteFile('id'),
  async drives(http) {
    const drives = await new DriveApi(http, ENDPOINT).sharedDrives()
    promise(
      drives.every(({ id, name }) => typeof id === 'string' && typeof name === 'string'),
      'shared drives have ids and names',
      drives,
    )
  },
  async ids(http) {
    const ids = await new DriveApi(http, ENDPOINT).generateIds(3)
    promise(Array.isArray(ids) && ids.every(id => typeof id === 'string'), 'ids are texts', ids)
  },
  async quota(http) {
    const { used, limit } = await new DriveApi(http, ENDPOINT).quota()
    for (const bytes of [used, limit]) promise(bytes === undefined || Number.isFinite(bytes), 'space is a number of bytes', String(bytes))
  },
  async folders(http) {
    const api = new DriveApi(http, ENDPOINT)
    const id = await new DriveFolders(api, new IdPool(api), { start: MY_DRIVE, path: ['a', 'b'] }).writable()
    promise(typeof id === 'string', 'a folder has an id', id)
  },
  async upload(http) {
    const session = new ResumableSession(
      { http, baseUrl: ENDPOINT, patience: timelessPatience() },
      { id: 'id', name: 'pack', parent: 'root' },
    )
    await session.begin(10)
    const answer = await session.send(Buffer.alloc(10), 0, 10)
    if (answer.kind === 'done') expectFile(answer.file)
    if (answer.kind === 'partial') promise(answer.received <= 10, 'Drive can have no more bytes than were sent', answer)
  },
  async download(http) {
    const bytes = await new Downloader({ http, baseUrl: ENDPOINT, patience: timelessPatience() }).download('id', 'pack', 2, 8, 10)
    promise(bytes.length === 6, 'as many bytes are read as were asked for')
  },
}

const FILE = {
  id: 'f1',
  name: 'pack-ab',
  size: '12',
  createdTime: '2026-01-01T00:00:00.000Z',
  sha256Checksum: 'ab',
  md5Checksum: 'cd',
  trashed: false,
}
const DATE = { date: 'Sun, 22 Nov 2026 18:24:01 GMT' }
const ERROR = { error: { code: 403, message: 'slower', errors: [{ reason: 'userRateLimitExceeded' }] } }
const SEEDS: Answers[] = [
  {
    call: 'list',
    answers: [
      { status: 200, headers: DATE, body: { nextPageToken: 't', files: [FILE] } },
      { status: 200, body: { files: [FILE, FILE] } },
      { status: 200, body: {} },
    ],
  },
  { call: 'list', answers: [{ status: 403, headers: { 'retry-after': '3' }, body: ERROR }] },
  {
    call: 'get',
    answers: [
      { status: 401, body: '' },
      { status: 200, body: { ...FILE, trashed: true, explicitlyTrashed: false } },
    ],
  },
  { call: 'create', answers: [{ status: 200, body: FILE }] },
  { call: 'delete', answers: [{ status: 204, body: '' }] },
  { call: 'ids', answers: [{ status: 200, body: { ids: ['a', 'b', 'c'] } }] },
  { call: 'quota', answers: [{ status: 200, body: { storageQuota: { limit: '100', usage: '5' } } }] },
  {
    call: 'folders',
    answers: [
      { status: 200, body: { files: [{ ...FILE, name: 'a' }] } },
      { status: 200, body: { files: [] } },
      { status: 200, body: { ids: ['n'] } },
      { status: 200, body: FILE },
    ],
  },
  {
    call: 'upload',
    answers: [
      { status: 200, headers: { location: `${ENDPOINT}/session` } },
      { status: 308, headers: { range: 'bytes=0-4' } },
      { status: 200, body: FILE },
    ],
  },
  { call: 'download', answers: [{ status: 206, headers: { 'content-range': 'bytes 2-7/10' }, body: 'abcdef' }] },
]

/** What Drive, or something between it and us, answers to a call. */
export const driveAnswers: Target = {
  name: 'drive',
  isJson: true,
  workPerByte: 5000,
  seeds: () => SEEDS.map(seed => Buffer.from(JSON.stringify(seed))),
  async run(input) {
    const told = answersIn(input)
    const call = told && Object.hasOwn(CALLS, told.call) ? CALLS[told.call] : undefined
    if (!told || !call) return
    const tokens = { getToken: () => Promise.resolve('token') }
    const http = new DriveHttp({ tokens, fetch: fetchOf(told.answers), pace: new Pace(sleep, () => NOW), now: () => NOW, idleMs: 60_000 })
    try {
      await call(http)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
    }
  },
}

function answersIn(input: Uint8Array): Answers | undefined {
  try {
    const value = JSON.parse(Buffer.from(input).toString('utf8')) as unknown
    return isRecord(value) && typeof value.call === 'string' && Array.isArray(value.answers) ? (value as unknown as Answers) : undefined
  } catch {
    return undefined
  }
}
