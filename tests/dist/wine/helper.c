/* What a test of the Windows binary needs and no Unix program can do, for tests/dist/windows.rs:
     helper ctrlc GO PROGRAM ARGUMENT...    starts the program, and sends it Ctrl+C when the file GO appears
     helper hold FILE PROGRAM ARGUMENT...   starts the program while FILE is open and shared with nobody
     helper trust FILE PROGRAM ARGUMENT...  starts the program while the certificate in FILE (PEM) is a trusted root
     helper run WORD PROGRAM ARGUMENT...    starts the program
   Ends with the exit code of the program. */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <wincrypt.h>

static int start(int argc, char **argv, PROCESS_INFORMATION *child) {
  char line[8192] = "";
  for (int i = 3; i < argc; i++) {
    if (strlen(line) + strlen(argv[i]) + 4 > sizeof line) return 102;
    strcat(strcat(strcat(strcat(line, i > 3 ? " " : ""), "\""), argv[i]), "\"");
  }
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  return CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, child) ? 0 : 103;
}

/* Adds the certificate to the trusted roots of the machine. */
static PCCERT_CONTEXT trust(HCERTSTORE store, const char *file) {
  char text[16384];
  BYTE der[16384];
  DWORD size = sizeof der;
  FILE *in = fopen(file, "rb");
  if (!in) return NULL;
  size_t length = fread(text, 1, sizeof text, in);
  fclose(in);
  PCCERT_CONTEXT added = NULL;
  if (!CryptStringToBinaryA(text, length, CRYPT_STRING_BASE64HEADER, der, &size, NULL, NULL)) return NULL;
  CertAddEncodedCertificateToStore(store, X509_ASN_ENCODING, der, size, CERT_STORE_ADD_ALWAYS, &added);
  return added;
}

int main(int argc, char **argv) {
  if (argc < 4) return 100;
  const char *verb = argv[1], *file = argv[2];
  HANDLE held = INVALID_HANDLE_VALUE;
  HCERTSTORE store = NULL;
  PCCERT_CONTEXT trusted = NULL;
  if (strcmp(verb, "hold") == 0) {
    held = CreateFileA(file, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (held == INVALID_HANDLE_VALUE) return 101;
  }
  if (strcmp(verb, "trust") == 0) {
    store = CertOpenStore(CERT_STORE_PROV_SYSTEM_A, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, "Root");
    trusted = store ? trust(store, file) : NULL;
    if (!trusted) return 105;
  }
  PROCESS_INFORMATION child;
  DWORD code = start(argc, argv, &child);
  if (code == 0) {
    if (strcmp(verb, "ctrlc") == 0) {
      while (GetFileAttributesA(file) == INVALID_FILE_ATTRIBUTES) {
        if (WaitForSingleObject(child.hProcess, 20) != WAIT_TIMEOUT) break;
      }
      SetConsoleCtrlHandler(NULL, TRUE); /* not for this program itself */
      if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) fprintf(stderr, "helper: no console to send Ctrl+C to\n");
    }
    WaitForSingleObject(child.hProcess, INFINITE);
    code = 104;
    GetExitCodeProcess(child.hProcess, &code);
  }
  if (trusted) CertDeleteCertificateFromStore(trusted);
  if (store) CertCloseStore(store, 0);
  if (held != INVALID_HANDLE_VALUE) CloseHandle(held);
  return (int)code;
}
