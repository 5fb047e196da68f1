/* What a test of the Windows binary needs and no Unix program can do, for tests/dist/windows.rs:
     helper ctrlc GO PROGRAM ARGUMENT...    starts the program, and sends it Ctrl+C when the file GO appears
     helper hold FILE PROGRAM ARGUMENT...   starts the program while FILE is open and shared with nobody
   Ends with the exit code of the program. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(int argc, char **argv) {
  if (argc < 4) return 100;
  int ctrlc = strcmp(argv[1], "ctrlc") == 0;
  HANDLE held = INVALID_HANDLE_VALUE;
  if (!ctrlc) {
    held = CreateFileA(argv[2], GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (held == INVALID_HANDLE_VALUE) return 101;
  }
  char line[8192] = "";
  for (int i = 3; i < argc; i++) {
    if (strlen(line) + strlen(argv[i]) + 4 > sizeof line) return 102;
    strcat(strcat(strcat(strcat(line, i > 3 ? " " : ""), "\""), argv[i]), "\"");
  }
  STARTUPINFOA start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
  start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
  start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION child;
  if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child)) return 103;
  if (ctrlc) {
    while (GetFileAttributesA(argv[2]) == INVALID_FILE_ATTRIBUTES) {
      if (WaitForSingleObject(child.hProcess, 20) != WAIT_TIMEOUT) break;
    }
    SetConsoleCtrlHandler(NULL, TRUE); /* not for this program itself */
    if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) fprintf(stderr, "helper: no console to send Ctrl+C to\n");
  }
  WaitForSingleObject(child.hProcess, INFINITE);
  DWORD code = 104;
  GetExitCodeProcess(child.hProcess, &code);
  if (held != INVALID_HANDLE_VALUE) CloseHandle(held);
  return (int)code;
}
