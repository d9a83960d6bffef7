using System.Collections;
using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>Starts a program in a session of its own, so that a terminal's signals do not reach it (posix_spawn(3)).</summary>
internal static unsafe class SessionSpawn
{
    private const int FirstOfOthers = 3;

    /// <summary>Starts it with this process's environment.</summary>
    /// <param name="program">The executable.</param>
    /// <param name="arguments">All of them, the program's own name first.</param>
    /// <param name="standard">Its standard input, output and error, as far as they are not those of this process.</param>
    /// <param name="kept">What it inherits beside, under the same numbers.</param>
    /// <param name="closesOthers">Also what this process inherited without wanting it, a lock of a shell's perhaps, is closed; nothing is kept then.</param>
    /// <returns>The number of the process.</returns>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public static int Start(string program, IReadOnlyList<string> arguments, ReadOnlySpan<int> standard, ReadOnlySpan<int> kept, bool closesOthers)
    {
        using NativeStrings argv = new(arguments);
        using NativeStrings environment = new(Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(e => $"{e.Key}={e.Value}"));
        Libc.PosixSpawnActions actions;
        Libc.PosixSpawnAttributes attributes;
        int id = 0;
        // SAFETY: locals that outlive the calls; the two arrays end with a null and live until this returns.
        _ = Libc.PosixSpawnActionsInit(&actions);
        try
        {
            _ = Libc.PosixSpawnAttributesInit(&attributes);
            int error = Libc.PosixSpawnAttributesSetFlags(&attributes, Libc.POSIX_SPAWN_SETSID);
            for (int i = 0; i < standard.Length && error == 0; i++) error = Libc.PosixSpawnActionsAddDup2(&actions, standard[i], i);
            // The same number on both sides: it is only made to survive.
            for (int i = 0; i < kept.Length && error == 0; i++) error = Libc.PosixSpawnActionsAddDup2(&actions, kept[i], kept[i]);
            if (error == 0 && closesOthers) error = Libc.PosixSpawnActionsAddCloseFrom(&actions, FirstOfOthers);
            if (error == 0) error = Libc.PosixSpawn(&id, program, &actions, &attributes, argv.Pointer, environment.Pointer);
            return error == 0 ? id : throw new LinuxException($"starting {program}", error);
        }
        finally
        {
            _ = Libc.PosixSpawnActionsDestroy(&actions);
        }
    }
}
