"""What the test google-client.test.ts has Google's own Python client do: one named step, told in JSON on stdout.

Arguments: the discovery document, the address of the Drive, an access token, the step, and what the step needs.
"""
import io
import json
import sys

import httplib2
from googleapiclient import discovery, errors, http


def service(document, url, token):
    class WithToken(httplib2.Http):
        def __init__(self):
            super().__init__()
            # as googleapiclient.http.build_http does: 308 is Drive's answer to a piece
            self.redirect_codes = self.redirect_codes - {308}

        def request(self, uri, method='GET', body=None, headers=None, **more):
            return super().request(uri, method, body, dict(headers or {}, authorization='Bearer ' + token), **more)

    description = json.load(open(document))
    # only the address is another one
    description['rootUrl'] = url + '/'
    description['baseUrl'] = url + '/' + description['servicePath']
    return discovery.build_from_document(json.dumps(description), http=WithToken())


def steps(drive):
    files = drive.files()

    def upload(name, path, chunk, mimetype='application/octet-stream'):
        whole = chunk == 'whole'
        media = http.MediaFileUpload(path, mimetype, chunksize=-1 if whole else int(chunk), resumable=not whole)
        request = files.create(body={'name': name}, media_body=media, fields='id,size,md5Checksum,sha256Checksum')
        if whole:
            return request.execute()
        steps, answer = 0, None
        while answer is None:
            _, answer = request.next_chunk()
            steps += 1
        return dict(answer, steps=steps)

    def download(file_id, path, chunk):
        with open(path, 'wb') as out:
            loader = http.MediaIoBaseDownload(out, files.get_media(fileId=file_id), chunksize=int(chunk))
            done, steps = False, 0
            while not done:
                _, done = loader.next_chunk()
                steps += 1
        return {'steps': steps}

    def names(q, page):
        found, request = [], files.list(q=q, pageSize=int(page), fields='nextPageToken,files(name)', orderBy='name')
        while request is not None:
            answer = request.execute()
            found.append([file['name'] for file in answer['files']])
            request = files.list_next(request, answer)
        return found

    def content(file_id, text):
        media = http.MediaIoBaseUpload(io.BytesIO(text.encode()), 'text/plain')
        return files.update(fileId=file_id, media_body=media, fields='id,size,mimeType').execute()

    return {
        'about': lambda: drive.about().get(fields='user(emailAddress),storageQuota(usage)').execute(),
        'ids': lambda count: files.generateIds(count=int(count)).execute(),
        'create': lambda body: files.create(body=json.loads(body), fields='*').execute(),
        'get': lambda file_id: files.get(fileId=file_id, fields='*').execute(),
        'rename': lambda file_id, name: files.update(fileId=file_id, body={'name': name}, fields='name').execute(),
        'move': lambda file_id, add, remove: files.update(fileId=file_id, addParents=add, removeParents=remove, fields='parents').execute(),
        'copy': lambda file_id, name: files.copy(fileId=file_id, body={'name': name}, fields='id,name,md5Checksum').execute(),
        'delete': lambda file_id: files.delete(fileId=file_id).execute() or {},
        'permissions': lambda file_id: drive.permissions().list(fileId=file_id, fields='permissions(role,emailAddress)').execute(),
        'drives': lambda: drive.drives().list().execute(),
        'upload': upload,
        'download': download,
        'names': names,
        'content': content,
    }


if __name__ == '__main__':
    document, url, token, step, *given = sys.argv[1:]
    try:
        print(json.dumps(steps(service(document, url, token))[step](*given)))
    except errors.HttpError as error:
        print(json.dumps({'status': error.resp.status, 'why': json.loads(error.content)['error']['errors'][0]['reason']}))
