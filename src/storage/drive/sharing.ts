import { AppError, isAppError } from '../../util/errors.ts'
import { isRecord } from '../../util/json-fields.ts'
import type { Patience } from '../../util/patience.ts'
import { misunderstood } from './answers.ts'
import type { DriveApi } from './drive-api.ts'

interface Permission {
  id: string
  type: string
  role: string
  /** It comes from a folder above only. Drive does not always tell. */
  isInherited: boolean
}

/** Who may read a file, beside its owner. */
export interface Access {
  /** What anyone with the link may do: `reader`, `commenter` or `writer`. Undefined: nothing. */
  link: string | undefined
  /** People, groups and organisations. */
  others: number
}

/** Types of what has no content of its own. */
const GOOGLES = 'application/vnd.google-apps.'
const PAGE = 100
/** Drive allows 600 permissions of a file. */
const MOST_PAGES = 100
const FIELDS = 'nextPageToken,permissions(id,type,role,permissionDetails(inherited))'

const isLink = ({ type }: Permission): boolean => type === 'anyone'

/** Who may read a file on Drive. A link opens the file for anyone who has it, without a login. */
export class FileSharing {
  private readonly api: DriveApi
  private readonly patience: Patience

  constructor(api: DriveApi, patience: Patience) {
    this.api = api
    this.patience = patience
  }

  async access(id: string, signal?: AbortSignal): Promise<Access> {
    const permissions = await this.permissions(id, signal)
    return {
      link: permissions.find(isLink)?.role,
      others: permissions.filter(permission => !isLink(permission) && permission.role !== 'owner').length,
    }
  }

  /**
   * The address of the file in a browser, which opens it for those who may read it. Errors: `usage` for a shortcut,
   * which has permissions of its own, and for a document of Google, which nobody can download as it is.
   */
  link(id: string, signal?: AbortSignal): Promise<string> {
    return this.call('tell the link of the file', signal, async task => {
      const { data } = await this.api.run('files.get', task, signal, drive =>
        drive.files.get({ fileId: id, fields: 'name,mimeType,webViewLink', supportsAllDrives: true }),
      )
      if (!isRecord(data) || typeof data.mimeType !== 'string' || typeof data.webViewLink !== 'string')
        throw misunderstood('the link of a file')
      if (data.mimeType.startsWith(GOOGLES))
        throw new AppError('usage', `${String(data.name)} on Drive is a shortcut or a document of Google, not a file with content.`, {
          hint: 'Share it, or what the shortcut leads to, in Google Drive in the browser.',
        })
      return data.webViewLink
    })
  }

  /** From now on anyone with the link may read the file, but no search shows it. */
  openLink(id: string, signal?: AbortSignal): Promise<void> {
    return this.call('let anyone with the link read the file', signal, async task => {
      const { data } = await this.api.run('permissions.create', task, signal, drive =>
        drive.permissions.create({
          fileId: id,
          requestBody: { type: 'anyone', role: 'reader', allowFileDiscovery: false },
          fields: 'id,type,role',
          supportsAllDrives: true,
        }),
      )
      if (!isLink(toPermission(data))) throw misunderstood('who may read a file')
    })
  }

  /**
   * Ends the access by link, and looks whether it has ended. Access of named people stays. Resolves to false if there
   * was no access by link. Errors: `denied` when it goes on, because it comes from a folder above, for example.
   */
  async closeLink(id: string, signal?: AbortSignal): Promise<boolean> {
    const links = (await this.permissions(id, signal)).filter(isLink)
    if (links.length === 0) return false
    let refusal: AppError | undefined
    for (const permission of links.filter(({ isInherited }) => !isInherited)) {
      try {
        await this.remove(id, permission.id, signal)
      } catch (error) {
        if (!isAppError(error, 'denied')) throw error
        refusal = error
      }
    }
    if (!(await this.permissions(id, signal)).some(isLink)) return true
    if (refusal !== undefined && !/inherited/i.test(refusal.message)) throw refusal
    // https://developers.google.com/workspace/drive/api/guides/manage-sharing: what is inherited can't be removed
    throw new AppError('denied', 'Anyone with the link can still read the file: the folder that it is in, or one above, is shared.', {
      hint: 'In Google Drive in the browser, move the file to a folder that is not shared, or end the sharing of that folder.',
      ...(refusal === undefined ? {} : { cause: refusal }),
    })
  }

  private permissions(id: string, signal: AbortSignal | undefined): Promise<Permission[]> {
    return this.call('tell who may read the file', signal, async task => {
      const found: Permission[] = []
      let pageToken: string | undefined
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const { data } = await this.api.run('permissions.list', task, signal, drive =>
          drive.permissions.list({
            fileId: id,
            fields: FIELDS,
            pageSize: PAGE,
            supportsAllDrives: true,
            ...(pageToken === undefined ? {} : { pageToken }),
          }),
        )
        if (!isRecord(data) || !Array.isArray(data.permissions)) throw misunderstood('who may read a file')
        found.push(...data.permissions.map(toPermission))
        if (typeof data.nextPageToken !== 'string') return found
        pageToken = data.nextPageToken
      }
      throw misunderstood('who may read a file')
    })
  }

  private async remove(id: string, permissionId: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.call('end the access by link', signal, task =>
        this.api.run('permissions.delete', task, signal, drive =>
          drive.permissions.delete({ fileId: id, permissionId, supportsAllDrives: true }),
        ),
      )
    } catch (error) {
      // somebody else was faster, or the answer to an earlier attempt was lost
      if (!isAppError(error, 'not-found')) throw error
    }
  }

  private async call<T>(task: string, signal: AbortSignal | undefined, call: (task: string) => Promise<T>): Promise<T> {
    try {
      return await this.patience.persist(signal, () => call(task).catch(asLasting))
    } catch (error) {
      throw refused(error)
    }
  }
}

function toPermission(data: unknown): Permission {
  if (!isRecord(data)) throw misunderstood('who may read a file')
  const { id, type, role, permissionDetails: details } = data
  if (typeof id !== 'string' || typeof type !== 'string' || typeof role !== 'string') throw misunderstood('who may read a file')
  const isInherited = Array.isArray(details) && details.length > 0 && details.every(one => isRecord(one) && one.inherited === true)
  return { id, type, role, isInherited }
}

/** The limit of sharing counts by the day, unlike those of requests: nobody waits for that. */
function asLasting(error: unknown): never {
  const isLimit = isAppError(error, 'throttled') && error.reason === 'sharingRateLimitExceeded'
  throw isLimit ? new AppError('denied', error.message, { reason: error.reason, cause: error }) : error
}

/** Refusals that have to do with the login or its limits, not with sharing. */
const OTHERS = ['accessNotConfigured', 'dailyLimitExceeded']

const HINTS: Readonly<Record<string, string>> = {
  insufficientFilePermissions:
    'The owner of a file decides who may share it: check with which account you are logged in (colab-escape auth status).',
  sharingRateLimitExceeded: 'Google limits how much an account shares in a day: try again later.',
  appNotAuthorizedToFile: 'This login reaches only files that this program has made: share the file in Google Drive in the browser.',
}

/**
 * Organisations forbid sharing with many reasons (publishOutNotPermitted, shareOutNotPermitted, invalidSharingRequest,
 * domainPolicy, cannotShareTeamDriveTopFolderWithAnyoneOrDomains, teamDrivesSharingRestrictionNotAllowed), and with a
 * 400 without words: googleapis/google-api-python-client#895 (May 2020).
 */
function refused(error: unknown): unknown {
  if (!isAppError(error, 'denied', 'io') || error.reason === undefined || OTHERS.includes(error.reason)) return error
  const hint =
    HINTS[error.reason] ??
    'The organisation of this account may forbid links for anyone: ask its administrators, share the file with people by name in the browser, or use another account.'
  return new AppError('denied', error.message, { hint, reason: error.reason, cause: error })
}
