import { createHash } from 'node:crypto'
import { groupBy } from '../../src/util/group-by.ts'
import { findFile, requireChange } from './access.ts'
import type { Caller } from './access.ts'
import type { Call, Reply } from './call.ts'
import { fileIdOf, permissionIdIn } from './call.ts'
import type { Drive } from './drive.ts'
import { badRequest, GoogleError, requiredParameter } from './errors.ts'
import { applyMask, parseFields } from './field-mask.ts'
import type { Mask, Schema } from './field-mask.ts'
import type { DriveFile, FileStore } from './file-store.ts'
import { Parameters } from './parameters.ts'
import { driveIdOf, ROLES } from './sharing.ts'
import type { Role } from './sharing.ts'

export const PERMISSION_FIELDS: Schema = {
  ...Object.fromEntries(
    'kind id type role emailAddress displayName photoLink domain deleted pendingOwner allowFileDiscovery expirationTime view'
      .split(' ')
      .map(name => [name, 'leaf' as const]),
  ),
  permissionDetails: { permissionType: 'leaf', role: 'leaf', inherited: 'leaf', inheritedFrom: 'leaf' },
}

/** Without `fields` a permission answers with these four: the description of the resource. */
const DEFAULT: Mask = new Map(['kind', 'id', 'type', 'role'].map(name => [name, 'all']))
const DEFAULT_LIST: Mask = new Map<string, Mask>([
  ['kind', 'all'],
  ['nextPageToken', 'all'],
  ['permissions', DEFAULT],
])

/** The id of the permission of everybody who has the link: CSSS/csss-site#644 (February 2024). */
const LINK_ID = 'anyoneWithLink'
const MOST_ON_A_PAGE = 100

const idOfUser = (email: string, { user }: Caller): string =>
  email === user.email ? user.permissionId : createHash('md5').update(email).digest('hex').slice(0, 20)

/** Everybody who has to do with a file, the owner first. Whoever has it from several folders is one permission. */
export function permissionsOf(file: DriveFile, caller: Caller, store: FileStore) {
  const owned: readonly (readonly [string, Role])[] = file.owner === '' ? [] : [[file.owner, 'owner']]
  const given = store.lineOf(file).flatMap(at => {
    const inherited = at !== file
    const users = [...(inherited ? [] : owned), ...(at.shares ?? [])].map(([email, role]) => ({ email, role, inherited, at }))
    return [...users, ...(at.linkRole === undefined ? [] : [{ email: undefined, role: at.linkRole, inherited, at }])]
  })
  const isInSharedDrive = driveIdOf(store, file) !== undefined
  return [...groupBy(given, ({ email }) => email)].map(([email, all]) => {
    const role = all.map(one => one.role).reduce((a, b) => (ROLES.indexOf(a) >= ROLES.indexOf(b) ? a : b))
    return {
      kind: 'drive#permission',
      ...(email === undefined
        ? { id: LINK_ID, type: 'anyone', allowFileDiscovery: false }
        : {
            id: idOfUser(email, caller),
            type: 'user',
            emailAddress: email,
            displayName: email === caller.user.email ? caller.user.name : email,
          }),
      role,
      // the reference promises it for no file in My Drive
      ...(isInSharedDrive
        ? {
            permissionDetails: all.map(one => ({
              permissionType: one.at.isSharedDrive === true ? 'member' : 'file',
              role: one.role,
              inherited: one.inherited,
              ...(one.inherited ? { inheritedFrom: one.at.id } : {}),
            })),
          }
        : {}),
    }
  })
}

const unknown = (id: string) => new GoogleError(404, 'notFound', `Permission not found: ${id}.`, { location: 'permissionId' })

const SHARED = ['supportsAllDrives', 'supportsTeamDrives', 'useDomainAdminAccess']

/** Everything under `/drive/v3/files/<id>/permissions`. */
export class PermissionsApi {
  private readonly drive: Drive

  constructor(drive: Drive) {
    this.drive = drive
  }

  list(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, [...SHARED, 'includePermissionsForView', 'pageSize', 'pageToken'])
    const schema: Schema = { kind: 'leaf', nextPageToken: 'leaf', permissions: PERMISSION_FIELDS }
    const fields = parameters.text('fields')
    const mask = fields === undefined ? DEFAULT_LIST : parseFields(fields, schema)
    const all = permissionsOf(this.file(call, caller), caller, this.drive.store)
    const size = Math.min(parameters.integer('pageSize', MOST_ON_A_PAGE, 1, MOST_ON_A_PAGE), this.drive.pageSizeCap)
    const from = Number(parameters.text('pageToken') ?? 0)
    const next = from + size < all.length ? { nextPageToken: String(from + size) } : {}
    return { status: 200, json: applyMask({ kind: 'drive#permissionList', ...next, permissions: all.slice(from, from + size) }, mask) }
  }

  get(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, SHARED)
    const id = permissionIdIn(call.path)
    const file = this.file(call, caller)
    return this.answer(file, caller, ({ id: other }) => other === id, parameters) ?? fail(unknown(id))
  }

  create(call: Call, caller: Caller): Reply {
    const parameters = new Parameters(call.query, [
      ...SHARED,
      'emailMessage',
      'moveToNewOwnersRoot',
      'sendNotificationEmail',
      'transferOwnership',
    ])
    const file = this.file(call, caller)
    requireChange(this.drive.store, caller, file)
    const { type, role, emailAddress } = parseBody(call.body)
    if (type === undefined) throw requiredParameter('permission.type', 'The permission type field is required.')
    if (role === undefined) throw requiredParameter('permission.role', 'The permission role field is required.')
    const known = ROLES.find(one => one === role)
    if (known === undefined || known === 'owner') throw badRequest(`This emulator shares nothing as ${role}.`)
    if (type === 'anyone') file.linkRole = known
    else if (type === 'user' && emailAddress !== undefined) file.shares = new Map([...(file.shares ?? []), [emailAddress, known]])
    else throw badRequest(`This emulator shares nothing with a ${type}.`)
    const isNew = (one: { type: string; emailAddress?: string }) => one.type === type && one.emailAddress === emailAddress
    return this.answer(file, caller, isNew, parameters) ?? fail(unknown('new'))
  }

  /** What is inherited can't be taken away: developers.google.com/workspace/drive/api/guides/manage-sharing (2026). */
  remove(call: Call, caller: Caller): Reply {
    new Parameters(call.query, SHARED)
    const id = permissionIdIn(call.path)
    const file = this.file(call, caller)
    requireChange(this.drive.store, caller, file)
    const found = permissionsOf(file, caller, this.drive.store).find(one => one.id === id) ?? fail(unknown(id))
    const email = 'emailAddress' in found ? found.emailAddress : undefined
    if (email === undefined ? file.linkRole === undefined : file.shares?.has(email) !== true)
      throw new GoogleError(
        403,
        'cannotDeleteInheritedPermission',
        'Cannot update or delete an inherited permission on a shared drive item.',
      )
    if (email === undefined) file.linkRole = undefined
    else file.shares?.delete(email)
    return { status: 204 }
  }

  private answer(
    file: DriveFile,
    caller: Caller,
    isMeant: (permission: { id: string; type: string; emailAddress?: string }) => boolean,
    parameters: Parameters,
  ): Reply | undefined {
    const fields = parameters.text('fields')
    const permission = permissionsOf(file, caller, this.drive.store).find(isMeant)
    return (
      permission && {
        status: 200,
        json: applyMask(permission, fields === undefined ? DEFAULT : parseFields(fields, PERMISSION_FIELDS)),
      }
    )
  }

  private file(call: Call, caller: Caller): DriveFile {
    return findFile(this.drive.store, caller, fileIdOf(call.path), this.drive)
  }
}

function fail(error: GoogleError): never {
  throw error
}

function parseBody(body: Buffer): { type?: string; role?: string; emailAddress?: string } {
  try {
    return JSON.parse(body.toString()) as { type?: string; role?: string; emailAddress?: string }
  } catch {
    throw badRequest('Parse Error')
  }
}
