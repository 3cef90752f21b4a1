import { canSee, requireSpace, resolveAlias } from './access.ts'
import type { Caller } from './access.ts'
import type { Drive } from './drive.ts'
import { fileNotFound, GoogleError, invalidParameter, invalidValue } from './errors.ts'
import { applyMask } from './field-mask.ts'
import type { Mask } from './field-mask.ts'
import { fileResource } from './file-resource.ts'
import { FOLDER, sizeOf } from './file-store.ts'
import type { DriveFile, Space } from './file-store.ts'
import type { Parameters } from './parameters.ts'
import { parseQuery } from './query-language.ts'
import type { Searchable } from './query-language.ts'
import { driveIdOf } from './sharing.ts'
import { randomText } from './surroundings.ts'

export const LIST_PARAMETERS = [
  'q',
  'pageSize',
  'pageToken',
  'orderBy',
  'spaces',
  'corpora',
  'supportsAllDrives',
  'includeItemsFromAllDrives',
  'supportsTeamDrives',
  'includeTeamDriveItems',
  'driveId',
  'includeLabels',
  'includePermissionsForView',
]

type Order = (a: DriveFile, b: DriveFile) => number

const ORDERS: Readonly<Record<string, Order>> = {
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  createdTime: (a, b) => a.createdTime - b.createdTime,
  modifiedTime: (a, b) => a.modifiedTime - b.modifiedTime,
  folder: (a, b) => Number(b.mimeType === FOLDER) - Number(a.mimeType === FOLDER),
  quotaBytesUsed: (a, b) => sizeOf(a) - sizeOf(b),
  name_natural: (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }),
  recency: (a, b) => a.modifiedTime - b.modifiedTime,
  modifiedByMeTime: (a, b) => a.modifiedTime - b.modifiedTime,
}

function parseOrder(text: string | undefined): Order {
  const orders = (text === undefined ? [] : text.split(',')).map(part => {
    const match = /^ *([A-Za-z_]+)( desc)? *$/.exec(part)
    const key = match?.[1] ?? ''
    const order = Object.hasOwn(ORDERS, key) ? ORDERS[key] : undefined
    if (order === undefined) throw invalidParameter('orderBy', `Invalid value '${part}' for orderBy`)
    return match?.[2] === undefined ? order : (a: DriveFile, b: DriveFile) => order(b, a)
  })
  return (a, b) => {
    for (const order of orders) {
      const difference = order(a, b)
      if (difference !== 0) return difference
    }
    return 0
  }
}

interface Cursor {
  /** What the first page asked: a token is good for the very same question only. */
  question: string
  files: DriveFile[]
}

/** `files.list`: the files that matched when the first page was asked for, page by page. */
export class Listings {
  private readonly drive: Drive
  private readonly cursors = new Map<string, Cursor>()

  constructor(drive: Drive) {
    this.drive = drive
  }

  list(asker: Caller, parameters: Parameters, mask: Mask): unknown {
    // larger pages are cut, not refused
    const pageSize = Math.min(parameters.integer('pageSize', 100, 1, 999_999_999), 1000, this.drive.pageSizeCap)
    for (const flag of ['supportsAllDrives', 'includeItemsFromAllDrives', 'supportsTeamDrives', 'includeTeamDriveItems'])
      parameters.flag(flag)
    const corpora = parameters.choice('corpora', ['user', 'allDrives', 'domain', 'drive'], 'user')
    if (corpora === 'domain') throw new GoogleError(403, 'notSupported', `This emulator has no corpora ${corpora}.`)
    const allDrives = parameters.flag('supportsAllDrives') && parameters.flag('includeItemsFromAllDrives')
    const caller: Caller = { ...asker, allDrives }
    if ((corpora === 'allDrives' || corpora === 'drive') && !allDrives)
      throw invalidParameter('corpora', `The ${corpora} corpora needs supportsAllDrives and includeItemsFromAllDrives.`)
    const driveId = parameters.text('driveId')
    if ((corpora === 'drive') !== (driveId !== undefined))
      throw invalidParameter('driveId', 'The driveId parameter must be specified if and only if corpora is set to drive.')
    const space = parameters.choice('spaces', ['drive', 'appDataFolder'], 'drive')
    requireSpace(caller, space)
    const question = JSON.stringify([
      caller.user.email,
      caller.clientId,
      parameters.text('q'),
      parameters.text('orderBy'),
      corpora,
      space,
      driveId,
    ])
    const token = parameters.text('pageToken')
    const found =
      token === undefined
        ? this.find(caller, parameters, space).filter(file => corpora === 'allDrives' || this.isIn(file, driveId, parameters))
        : this.resume(token, question)
    const isIncomplete = token === undefined && this.drive.conduct.isIncomplete()
    const files = isIncomplete ? found.filter((_, at) => at % 2 === 1) : found
    const page = files.slice(0, pageSize)
    const rest = files.slice(pageSize)
    const whole = {
      kind: 'drive#fileList',
      incompleteSearch: isIncomplete,
      ...(rest.length === 0 ? {} : { nextPageToken: this.remember({ question, files: rest }) }),
      files: page.map(file => fileResource(file, caller, this.drive.store)),
    }
    return applyMask(whole, mask)
  }

  /** Without a corpora that says otherwise, shared drives show what is asked for by its folder. */
  private isIn(file: DriveFile, driveId: string | undefined, parameters: Parameters): boolean {
    const actual = driveIdOf(this.drive.store, file)
    return actual === driveId || (driveId === undefined && (parameters.text('q') ?? '').includes(' in parents'))
  }

  private resume(token: string, question: string): DriveFile[] {
    const cursor = this.cursors.get(token)
    if (cursor?.question !== question) throw invalidValue('pageToken')
    const { store } = this.drive
    return store.lag.deletionMs > 0 ? cursor.files : cursor.files.filter(file => store.files.has(file.id))
  }

  private remember(cursor: Cursor): string {
    const token = `~!!~${randomText(this.drive.surroundings.random, 60)}`
    this.cursors.set(token, cursor)
    return token
  }

  private find(caller: Caller, parameters: Parameters, space: Space): DriveFile[] {
    const order = parseOrder(parameters.text('orderBy'))
    const q = parameters.text('q')
    const resolve = (alias: string) => (alias === 'me' ? caller.user.email : resolveAlias(alias, caller, this.drive))
    const query = q === undefined || q.trim() === '' ? undefined : parseQuery(q, resolve, this.drive.conduct.behaviours.severalParents)
    for (const parent of query?.parents ?? []) {
      const folder = this.drive.store.files.get(parent)
      if (folder === undefined || (parent !== caller.user.rootId && !canSee(this.drive.store, caller, folder))) throw fileNotFound('')
      this.drive.conduct.requireThere(folder, '')
    }
    return this.drive.store
      .listed()
      .filter(
        file => file.space === space && canSee(this.drive.store, caller, file) && (query?.matches(this.searchable(file, caller)) ?? true),
      )
      .sort(order)
  }

  private searchable(file: DriveFile, caller: Caller): Searchable {
    const { store } = this.drive
    return {
      name: file.name,
      mimeType: file.mimeType,
      createdTime: file.createdTime,
      modifiedTime: file.modifiedTime,
      get trashed() {
        return store.isTrashed(file)
      },
      starred: file.starred,
      sharedWithMe: file.owner !== caller.user.email && file.shares?.has(caller.user.email) === true && file.isSharedDrive !== true,
      parents: file.parent === undefined ? [] : [file.parent],
      owners: [file.owner],
      target: file.target,
      appProperties: file.appProperties.get(caller.clientId) ?? {},
      properties: file.properties,
    }
  }
}
