import { createPublicKey } from 'node:crypto'
import { findFile, SCOPES } from './access.ts'
import type { Caller, User } from './access.ts'
import { Accounts } from './accounts.ts'
import type { OAuthClient } from './accounts.ts'
import { behavioursOf } from './behaviours.ts'
import type { Behaviours } from './behaviours.ts'
import type { Call, CallKind, Reply } from './call.ts'
import { Drive } from './drive.ts'
import { discoveryCheck } from './discovery-check.ts'
import { badRequest, noCredentials } from './errors.ts'
import { Faults } from './faults.ts'
import type { DriveFile, Lag } from './file-store.ts'
import { FilesApi } from './files-api.ts'
import { linkDownload } from './link-download.ts'
import { exportFolder, importFolder } from './local-folder.ts'
import { MetadataBroker } from './metadata-broker.ts'
import { ConsentPage } from './oauth-consent.ts'
import type { Consent } from './oauth-consent.ts'
import { oauthProblems } from './oauth-check.ts'
import { TokenEndpoint } from './oauth-token.ts'
import { PROFILES } from './profiles.ts'
import type { Profile } from './profiles.ts'
import { Recording } from './recording.ts'
import type { RecordedRequest } from './recording.ts'
import { listen } from './server.ts'
import type { Role } from './sharing.ts'
import type { Certificate } from './server.ts'
import { realSurroundings } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'
import { Uploads } from './uploads.ts'

export interface EmulatorOptions {
  /** Time and chance; real time and seeded chance unless told. */
  surroundings?: Partial<Surroundings>
  seed?: number
  /** Of the HTTP server; any free one unless told. */
  port?: number
  /** With it an HTTPS server listens as well. */
  certificate?: Certificate
  profile?: keyof typeof PROFILES | Profile
  lag?: Partial<Lag>
  childrenLimit?: number
  pageSizeCap?: number
  consent?: Consent
  /** What the real Drive does at times; those of DRIVE_PROFILE in the environment unless told. */
  behaviours?: Behaviours
  /**
   * Requests that break Google's description of Drive make `close` throw, unless they are `noted` only: tests that send
   * such requests on purpose, and other people's programs.
   */
  violations?: 'thrown' | 'noted'
}

export interface TokenOptions {
  /** Space-separated, `drive.file` or in full; `drive` unless told. */
  scope?: string
  clientId?: string
  /** The first user unless told. */
  user?: string
  /** An hour unless told; 0 or less for one that is over. */
  expiresInMs?: number
}

/** The client and the user that are there from the start. */
export const DEFAULT_CLIENT: OAuthClient = {
  id: 'test-client.apps.googleusercontent.com',
  secret: 'test-client-secret',
  type: 'installed',
  redirectUris: [],
  testing: false,
}
export const DEFAULT_USER = 'someone@example.com'
const COLAB_CLIENT_ID = 'colab.apps.googleusercontent.com'
/** People with a browser: what befalls programs does not befall them. */
export const BROWSER_CLIENT_ID = 'browser'

const isDrive = ({ path }: Call): boolean => /^\/(?:drive|upload|resumable)\//.test(path)

/**
 * Google as far as this project meets it: Drive v3, OAuth and Colab's credentials broker, on one server for all hosts.
 */
export class DriveEmulator {
  readonly faults = new Faults()
  readonly accounts: Accounts
  readonly consentPage: ConsentPage
  readonly drive: Drive
  readonly uploads: Uploads
  readonly broker: MetadataBroker
  /** Requests, and answers of this emulator, that break Google's description of its services. */
  readonly violations: string[] = []
  /** How many requests were compared with it. */
  checked = 0
  private readonly throwsViolations: boolean
  private readonly recording = new Recording()
  private readonly filesApi: FilesApi
  private readonly tokens: TokenEndpoint
  private readonly withoutToken: Partial<Record<CallKind, (call: Call) => Reply | Promise<Reply>>> = {
    'oauth.auth': call => this.consentPage.handle(call),
    'oauth.token': call => this.tokens.token(call),
    'oauth.revoke': call => this.tokens.revoke(call),
    'oauth.tokeninfo': call => this.tokens.tokenInfo(call),
    'oauth.userinfo': call => this.tokens.userInfo(call),
    'link.download': call => linkDownload(this.drive, call),
    metadata: call => this.broker.handle(call),
    'upload.piece': call => this.uploads.continue(call),
    'upload.status': call => this.uploads.continue(call),
    unknown: call => {
      throw badRequest(`This emulator does not know ${call.method} ${call.path}.`)
    },
  }
  private closers: (() => Promise<void>)[] = []
  private port = 0
  /** Of the HTTPS server; 0 without one. */
  securePort = 0

  constructor(options: EmulatorOptions) {
    const surroundings = { ...realSurroundings(options.seed), ...options.surroundings }
    const { profile = {}, lag, childrenLimit = 500_000, pageSizeCap = 1000, consent = 'ask', violations = 'thrown' } = options
    this.throwsViolations = violations === 'thrown'
    this.drive = new Drive(surroundings, {
      lag: { creationMs: 0, deletionMs: 0, ...lag },
      childrenLimit,
      pageSizeCap,
      behaviours: behavioursOf(options.behaviours),
      profile: typeof profile === 'string' ? PROFILES[profile] : profile,
    })
    this.accounts = new Accounts(surroundings)
    this.consentPage = new ConsentPage(this.accounts, surroundings, consent)
    this.tokens = new TokenEndpoint(this.accounts, this.consentPage, surroundings)
    this.broker = new MetadataBroker(this.accounts, surroundings)
    this.filesApi = new FilesApi(this.drive)
    this.uploads = new Uploads(this.drive, this.filesApi)
    this.addClient(DEFAULT_CLIENT)
    this.addUser(DEFAULT_USER)
  }

  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get files(): ReadonlyMap<string, DriveFile> {
    return this.drive.store.files
  }

  /** In force from the next call on. */
  get lag(): Lag {
    return this.drive.store.lag
  }

  get requests(): readonly RecordedRequest[] {
    return this.recording.requests
  }

  get counts(): Partial<Record<CallKind, number>> {
    return this.recording.counts
  }

  resetRecords(): void {
    this.recording.reset()
  }

  addUser(email: string, options: { name?: string; quota?: number } = {}): User {
    const user = this.accounts.addUser(email, options)
    this.drive.addRoot(user)
    return user
  }

  /** A shared drive, which nobody owns. Returns its id. */
  addSharedDrive(name: string, members: Readonly<Record<string, Role>>): string {
    return this.drive.addSharedDrive(name, Object.entries(members))
  }

  /** As its owner does in the browser: with a user, or `anyone` who has the link. A folder is shared with all in it. */
  share(id: string, who: string, role: Role): void {
    const file = this.drive.store.files.get(id)
    if (file === undefined) throw new Error(`The emulator has no file ${id}.`)
    if (who === 'anyone') file.linkRole = role
    else file.shares = new Map([...(file.shares ?? []), [who, role]])
  }

  addClient(client: Partial<OAuthClient> & { id: string }): OAuthClient {
    const whole: OAuthClient = { secret: undefined, type: 'installed', redirectUris: [], testing: false, ...client }
    this.accounts.clients.set(whole.id, whole)
    return whole
  }

  /** `publicKey` in PEM verifies its RS256 assertions. */
  addServiceAccount(email: string, publicKey: string): User {
    const user = this.accounts.addUser(email, { serviceAccount: true })
    this.drive.addRoot(user)
    this.accounts.serviceAccounts.set(email, { user, publicKey: createPublicKey(publicKey) })
    return user
  }

  /** An access and a refresh token, as if the user had consented long ago. */
  issueToken(options: TokenOptions = {}): { accessToken: string; refreshToken: string } {
    const { scope = 'drive', clientId = DEFAULT_CLIENT.id, user, expiresInMs } = options
    const grant = this.accounts.grant(this.accounts.user(user), clientId, scope.split(' '))
    return { accessToken: this.accounts.issueAccess(grant, expiresInMs).token, refreshToken: this.accounts.issueRefresh(grant) }
  }

  /** What `auth.authenticate_user()` does in a notebook. */
  consentInColab(options: { user?: string; scope?: string } = {}): void {
    const { user, scope = `drive ${SCOPES.email}` } = options
    this.broker.consent(this.accounts.grant(this.accounts.user(user), COLAB_CLIENT_ID, scope.split(' ')))
  }

  /** The newest file of that path below the user's root, e.g. `colab-escape/config`; undefined when there is none. */
  fileAt(path: string, user?: string): DriveFile | undefined {
    let at = this.drive.store.files.get(this.accounts.user(user).rootId)
    for (const name of path.split('/'))
      at = at && this.drive.store.childrenOf(at.id).findLast(file => file.name === name && !this.drive.store.isTrashed(file))
    return at
  }

  /** Plain files in `path`, as a mounted Drive would show them. */
  async exportTo(path: string, folderId = 'root', user?: string): Promise<void> {
    const caller = this.caller(user, DEFAULT_CLIENT.id)
    await exportFolder(this.drive, findFile(this.drive.store, caller, folderId, this.drive), path)
  }

  /** The files in `path` become files in Drive, made by `clientId` (that of a mount unless told: no app of ours). */
  async importFrom(path: string, folderId = 'root', options: { user?: string; clientId?: string } = {}): Promise<void> {
    const caller = this.caller(options.user, options.clientId ?? 'drive-for-desktop')
    await importFolder(this.drive, caller, path, findFile(this.drive.store, caller, folderId, this.drive).id)
    this.drive.conduct.settle()
  }

  async start(port: number, certificate: Certificate | undefined): Promise<void> {
    const { surroundings, pacing } = this.drive
    const backend = {
      ...{ surroundings, pacing, faults: this.faults, recording: this.recording },
      check: (call: Call) => this.check(call),
      handle: (call: Call) => this.handle(call),
    }
    const plain = await listen(backend, port)
    this.port = plain.port
    this.closers.push(plain.close)
    if (certificate === undefined) return
    const secure = await listen(backend, 0, certificate)
    this.securePort = secure.port
    this.closers.push(secure.close)
  }

  async close(): Promise<void> {
    await Promise.all(this.closers.map(close => close()))
    this.closers = []
    if (this.throwsViolations && this.violations.length > 0)
      throw new Error(`Google's description of Drive knows nothing of this:\n  ${this.violations.join('\n  ')}`)
  }

  /** For clients that wait without any time going by: that time does go by for `behaviours`. */
  pass(ms: number): void {
    this.drive.conduct.pass(ms)
  }

  /** Compares a request with what Google says of it, whatever becomes of it. */
  check(call: Call): void {
    const problems = isDrive(call) ? discoveryCheck()?.request(call) : oauthProblems(call)
    if (problems === undefined) return
    this.checked++
    this.note(problems)
  }

  private note(problems: readonly string[]): void {
    for (const problem of problems) if (!this.violations.includes(problem)) this.violations.push(problem)
  }

  private caller(user: string | undefined, clientId: string): Caller {
    return { user: this.accounts.user(user), clientId, scopes: new Set([SCOPES.drive]) }
  }

  /** Does what a call asks for. Throws an `ErrorAnswer`. */
  async handle(call: Call): Promise<Reply> {
    const reply = await this.perform(call)
    if (isDrive(call)) this.note(discoveryCheck()?.reply(call, reply) ?? [])
    return reply
  }

  private async perform(call: Call): Promise<Reply> {
    if (call.kind === 'upload.piece' || call.kind === 'upload.status') this.drive.conduct.admit(call.kind)
    const open = this.withoutToken[call.kind]
    if (open !== undefined) return open(call)
    const { authorization } = call.headers
    if (authorization === undefined) throw noCredentials()
    const allDrives = call.query.get('supportsAllDrives') === 'true' || call.query.get('supportsTeamDrives') === 'true'
    const caller = { ...this.accounts.callerOf(authorization), allDrives }
    if (caller.clientId !== BROWSER_CLIENT_ID) this.drive.conduct.admit(call.kind)
    return call.kind.startsWith('upload.') ? this.uploads.handle(call, caller) : this.filesApi.handle(call, caller)
  }
}

export async function startDriveEmulator(options: EmulatorOptions = {}): Promise<DriveEmulator> {
  const emulator = new DriveEmulator(options)
  await emulator.start(options.port ?? 0, options.certificate)
  return emulator
}
