import { findFile, requireChange, requireRight, requireReading, requireSpace, requireWriting } from './access.ts'
import type { Caller } from './access.ts'
import type { Call, CallKind, Reply } from './call.ts'
import { driveIdIn, fileIdOf } from './call.ts'
import type { Drive } from './drive.ts'
import { GoogleError, insufficientFilePermissions, requiredParameter } from './errors.ts'
import { applyMask, parseFields } from './field-mask.ts'
import type { Mask, Schema } from './field-mask.ts'
import { createFile, updateFile } from './file-changes.ts'
import { parseMetadata } from './file-metadata.ts'
import type { Metadata } from './file-metadata.ts'
import { FILE_FIELDS, fileResource, LIST_FIELDS, USER_FIELDS, userResource } from './file-resource.ts'
import { sizeOf } from './file-store.ts'
import type { DriveFile } from './file-store.ts'
import { Listings, LIST_PARAMETERS } from './listing.ts'
import { download } from './media.ts'
import { Parameters } from './parameters.ts'
import { PermissionsApi } from './permissions.ts'
import { rightsOf } from './sharing.ts'
import { formatTime } from './time.ts'

const SHARED = ['supportsAllDrives', 'supportsTeamDrives', 'includePermissionsForView', 'includeLabels']
export const CREATE_PARAMETERS = [...SHARED, 'keepRevisionForever', 'ignoreDefaultVisibility', 'useContentAsIndexableText', 'ocrLanguage']
export const UPDATE_PARAMETERS = [
  ...SHARED,
  'keepRevisionForever',
  'useContentAsIndexableText',
  'addParents',
  'removeParents',
  'ocrLanguage',
]

/** Without `fields` a file answers with these four. */
const DEFAULT_FILE: Mask = new Map(['kind', 'id', 'name', 'mimeType'].map(name => [name, 'all']))
const DEFAULT_LIST: Mask = new Map<string, Mask>([
  ['kind', 'all'],
  ['nextPageToken', 'all'],
  ['incompleteSearch', 'all'],
  ['files', DEFAULT_FILE],
])

const maskOf = (parameters: Parameters, schema: Schema, fallback: Mask): Mask => {
  const fields = parameters.text('fields')
  return fields === undefined ? fallback : parseFields(fields, schema)
}

export const fileMask = (parameters: Parameters): Mask => maskOf(parameters, FILE_FIELDS, DEFAULT_FILE)

/** Everything under `/drive/v3`. */
export class FilesApi {
  private readonly drive: Drive
  private readonly listings: Listings
  private readonly permissions: PermissionsApi
  private readonly methods: Partial<Record<CallKind, (call: Call, caller: Caller) => Reply | Promise<Reply>>> = {
    'about.get': (call, caller) => this.about(call, caller),
    'files.list': (call, caller) => this.list(call, caller),
    'files.generateIds': (call, caller) => this.generateIds(call, caller),
    'files.create': (call, caller) => this.create(call, caller),
    'files.get': (call, caller) => this.get(call, caller),
    'media.get': (call, caller) => this.content(call, caller),
    'files.update': (call, caller) => this.update(call, caller),
    'files.copy': (call, caller) => this.copy(call, caller),
    'files.delete': (call, caller) => this.remove(call, caller),
    'files.emptyTrash': (call, caller) => this.emptyTrash(call, caller),
    'permissions.list': (call, caller) => this.permissions.list(call, caller),
    'permissions.get': (call, caller) => this.permissions.get(call, caller),
    'permissions.create': (call, caller) => this.permissions.create(call, caller),
    'permissions.delete': (call, caller) => this.permissions.remove(call, caller),
    'drives.list': (call, caller) => this.drives(call, caller),
    'drives.get': (call, caller) => this.drives(call, caller),
  }

  constructor(drive: Drive) {
    this.drive = drive
    this.listings = new Listings(drive)
    this.permissions = new PermissionsApi(drive)
  }

  async handle(call: Call, caller: Caller): Promise<Reply> {
    requireReading(caller)
    const method = this.methods[call.kind]
    if (method === undefined) throw new Error(`${call.kind} is not a method on files.`)
    return method(call, caller)
  }

  answer(file: DriveFile, caller: Caller, mask: Mask): Reply {
    return { status: 200, json: applyMask(fileResource(file, caller, this.drive.store), mask) }
  }

  private file(call: Call, caller: Caller): DriveFile {
    return findFile(this.drive.store, caller, fileIdOf(call.path), this.drive)
  }

  private list(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, LIST_PARAMETERS)
    return { status: 200, json: this.listings.list(caller, parameters, maskOf(parameters, LIST_FIELDS, DEFAULT_LIST)) }
  }

  private get(call: Call, caller: Caller): Reply {
    const mask = fileMask(new Parameters(call.query, [...SHARED, 'acknowledgeAbuse']))
    return this.answer(this.file(call, caller), caller, mask)
  }

  private content(call: Call, caller: Caller): Reply {
    const isAcknowledged = new Parameters(call.query, [...SHARED, 'acknowledgeAbuse']).flag('acknowledgeAbuse')
    const file = this.file(call, caller)
    // its owner may acknowledge, and the managers of a shared drive: the reference of `files.get`
    const may = rightsOf(this.drive.store, caller.user.email, file).delete
    this.drive.conduct.requireHarmless(file, isAcknowledged && may)
    return download(file, call.headers.range)
  }

  private update(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, UPDATE_PARAMETERS)
    const mask = fileMask(parameters)
    const file = this.file(call, caller)
    const metadata = parseMetadata(call.body, call.headers['content-type'], 'update')
    updateFile(this.drive, caller, file, metadata, { add: parameters.text('addParents'), remove: parameters.text('removeParents') })
    return this.answer(file, caller, mask)
  }

  private about(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, [])
    const fields = parameters.text('fields')
    if (fields === undefined) throw requiredParameter('fields', "The 'fields' parameter is required for this method.")
    const schema: Schema = {
      kind: 'leaf',
      user: USER_FIELDS,
      storageQuota: { limit: 'leaf', usage: 'leaf', usageInDrive: 'leaf', usageInDriveTrash: 'leaf' },
      maxUploadSize: 'leaf',
      appInstalled: 'leaf',
      canCreateDrives: 'leaf',
      exportFormats: 'map',
      importFormats: 'map',
    }
    const mask = parseFields(fields, schema)
    const { store } = this.drive
    const { user } = caller
    let trashed = 0
    for (const file of store.files.values()) if (file.owner === user.email && store.isTrashed(file)) trashed += sizeOf(file)
    const usage = String(store.usage(user.email))
    const limit = user.serviceAccount ? 0 : user.quota
    const whole = {
      kind: 'drive#about',
      user: userResource(user),
      storageQuota: {
        ...(limit === undefined ? {} : { limit: String(limit) }),
        usage,
        usageInDrive: usage,
        usageInDriveTrash: String(trashed),
      },
      maxUploadSize: '5497558138880',
      appInstalled: false,
      canCreateDrives: false,
      exportFormats: {},
      importFormats: {},
    }
    return { status: 200, json: applyMask(whole, mask) }
  }

  private generateIds(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, ['count', 'space', 'type'])
    const count = parameters.integer('count', 10, 1, 1000)
    const space = parameters.choice('space', ['drive', 'appDataFolder'], 'drive')
    parameters.choice('type', ['files', 'shortcuts'], 'files')
    const mask = maskOf(parameters, { kind: 'leaf', space: 'leaf', ids: 'leaf' }, 'all')
    requireWriting(caller)
    requireSpace(caller, space)
    const ids = Array.from({ length: count }, () => this.drive.generateId(caller, space))
    return { status: 200, json: applyMask({ kind: 'drive#generatedIds', space, ids }, mask) }
  }

  private async create(call: Call, caller: Caller): Promise<Reply> {
    const mask = fileMask(new Parameters(call.query, CREATE_PARAMETERS))
    const metadata = parseMetadata(call.body, call.headers['content-type'], 'create')
    this.drive.pacing.admitCreation()
    await this.drive.pacing.creation()
    return this.answer(createFile(this.drive, caller, metadata), caller, mask)
  }

  private async copy(call: Call, caller: Caller): Promise<Reply> {
    const mask = fileMask(new Parameters(call.query, CREATE_PARAMETERS))
    const changes = parseMetadata(call.body, call.headers['content-type'], 'copy')
    this.drive.pacing.admitCreation()
    await this.drive.pacing.creation()
    const source = this.file(call, caller)
    if (source.content === undefined) throw new GoogleError(403, 'cannotCopyFile', 'This file cannot be copied by the user.')
    const metadata: Metadata = {
      name: `Copy of ${source.name}`,
      mimeType: source.mimeType,
      modifiedTime: source.modifiedTime,
      properties: source.properties,
      appProperties: source.appProperties.get(caller.clientId) ?? {},
      ...(source.parent === undefined ? {} : { parents: [source.parent] }),
      ...(source.description === undefined ? {} : { description: source.description }),
      ...changes,
    }
    return this.answer(createFile(this.drive, caller, metadata, { bytes: source.content.bytes, type: undefined }), caller, mask)
  }

  private remove(call: Call, caller: Caller): Reply {
    new Parameters(call.query, [...SHARED, 'enforceSingleParent'])
    const file = this.file(call, caller)
    requireChange(this.drive.store, caller, file)
    requireRight(this.drive.store, caller, file, 'delete')
    if (this.drive.store.isRoot(file.id)) throw insufficientFilePermissions()
    this.drive.store.remove(file)
    return { status: 204 }
  }

  private emptyTrash(call: Call, caller: Caller): Reply {
    new Parameters(call.query, ['enforceSingleParent', 'driveId'])
    requireWriting(caller)
    const { store } = this.drive
    // removing a folder removes what is in it, so look again before each
    for (const file of [...store.files.values()])
      if (file.trashed && file.owner === caller.user.email && store.files.has(file.id)) store.remove(file)
    return { status: 204 }
  }

  /** Those that the caller is a member of, or one. */
  private drives(call: Call, caller: Caller): Reply {
    const id = driveIdIn(call.path)
    const parameters = new Parameters(call.query, ['pageSize', 'pageToken', 'q', 'useDomainAdminAccess'])
    const fields: Schema = { kind: 'leaf', id: 'leaf', name: 'leaf', createdTime: 'leaf', hidden: 'leaf' }
    const found = [...this.drive.store.files.values()].filter(
      file => file.isSharedDrive === true && file.shares?.has(caller.user.email) === true && (id === undefined || file.id === id),
    )
    const drives = found.map(file => ({ kind: 'drive#drive', id: file.id, name: file.name, createdTime: formatTime(file.createdTime) }))
    if (id === undefined) {
      const mask = maskOf(parameters, { kind: 'leaf', nextPageToken: 'leaf', drives: fields }, 'all')
      return { status: 200, json: applyMask({ kind: 'drive#driveList', drives }, mask) }
    }
    if (drives.length === 0) throw new GoogleError(404, 'notFound', `Shared drive not found: ${id}`, { location: 'driveId' })
    return { status: 200, json: applyMask(drives[0], maskOf(parameters, fields, 'all')) }
  }
}
