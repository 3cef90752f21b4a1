import { findFile, requireReading } from './access.ts'
import type { Caller } from './access.ts'
import { fileIdOf } from './call.ts'
import type { Call, Reply } from './call.ts'
import type { Drive } from './drive.ts'
import { badRequest, invalidValue } from './errors.ts'
import type { Mask } from './field-mask.ts'
import { checkCreation, checkUpdate, createFile, updateFile } from './file-changes.ts'
import type { Media, ParentChange } from './file-changes.ts'
import { parseMetadata, parseMetadataJson } from './file-metadata.ts'
import type { Metadata } from './file-metadata.ts'
import { CREATE_PARAMETERS, fileMask, UPDATE_PARAMETERS } from './files-api.ts'
import type { FilesApi } from './files-api.ts'
import { parseMultipart } from './multipart.ts'
import { Parameters } from './parameters.ts'
import { ResumableSessions } from './resumable.ts'

/** What a new or changed file is to be, its content aside. */
interface Target {
  caller: Caller
  /** Undefined for a new file. */
  fileId: string | undefined
  metadata: Metadata
  parents: ParentChange
  mask: Mask
}

const mediaType = (type: string | undefined) => type?.split(';')[0]?.trim()

/** Everything under `/upload/drive/v3`. */
export class Uploads {
  readonly sessions: ResumableSessions
  private readonly drive: Drive
  private readonly files: FilesApi

  constructor(drive: Drive, files: FilesApi) {
    this.drive = drive
    this.files = files
    this.sessions = new ResumableSessions(drive.surroundings, drive.conduct)
  }

  /** Pieces and questions: their address is the secret, whoever has it needs no token. */
  async continue(call: Call): Promise<Reply> {
    return this.sessions.continue(call)
  }

  async handle(call: Call, caller: Caller): Promise<Reply> {
    requireReading(caller)
    const fileId = fileIdOf(call.path)
    const update = fileId !== ''
    // rclone's updates carry `setModifiedDate` of the older API, which Drive ignores
    const known = update ? [...UPDATE_PARAMETERS, 'setModifiedDate'] : CREATE_PARAMETERS
    const parameters = new Parameters(call.query, [...known, 'uploadType'])
    const target = (metadata: Metadata): Target => ({
      caller,
      fileId: update ? fileId : undefined,
      metadata,
      parents: { add: parameters.text('addParents'), remove: parameters.text('removeParents') },
      mask: fileMask(parameters),
    })
    const use = update ? 'update' : 'create'
    if (call.kind === 'upload.media') {
      const type = mediaType(call.headers['content-type'])
      return this.store(target({}), { bytes: call.body, type }, true)
    }
    if (call.kind === 'upload.multipart') {
      const parts = parseMultipart(call.headers['content-type'], call.body)
      const media = { bytes: Buffer.from(parts.media), type: mediaType(parts.mediaType) }
      return this.store(target(parseMetadataJson(parts.metadata, use)), media, true)
    }
    return this.start(call, target(parseMetadata(call.body, call.headers['content-type'], use)))
  }

  private start(call: Call, target: Target): Reply {
    const length = call.headers['x-upload-content-length']
    if (length !== undefined && (typeof length !== 'string' || !/^\d{1,15}$/.test(length))) throw invalidValue('X-Upload-Content-Length')
    const type = call.headers['x-upload-content-type']
    const total = length === undefined ? undefined : Number(length)
    if (target.fileId === undefined) {
      checkCreation(this.drive, target.caller, target.metadata, total ?? 0)
      this.drive.pacing.admitCreation()
    } else {
      const file = findFile(this.drive.store, target.caller, target.fileId, this.drive)
      checkUpdate(this.drive, target.caller, file, target.metadata, total ?? 0)
    }
    const id = this.sessions.open({
      total,
      complete: bytes => this.store(target, { bytes, type: mediaType(typeof type === 'string' ? type : undefined) }, false),
    })
    const query = new URLSearchParams(call.query)
    query.set('upload_id', id)
    const headers = { location: `${call.origin}${call.path}?${query.toString()}`, 'x-guploader-uploadid': id }
    return { status: 200, headers: { ...headers, 'content-type': 'text/plain; charset=utf-8' }, body: '' }
  }

  private async store(target: Target, media: Media, admit: boolean): Promise<Reply> {
    const { caller, fileId, metadata, parents, mask } = target
    if (fileId === undefined) {
      if (parents.add !== undefined || parents.remove !== undefined) throw badRequest('A new file takes its parent from its metadata.')
      if (admit) this.drive.pacing.admitCreation()
      await this.drive.pacing.creation()
      return this.files.answer(createFile(this.drive, caller, metadata, media), caller, mask)
    }
    await this.drive.pacing.creation()
    const file = findFile(this.drive.store, caller, fileId, this.drive)
    updateFile(this.drive, caller, file, metadata, parents, media)
    return this.files.answer(file, caller, mask)
  }
}
