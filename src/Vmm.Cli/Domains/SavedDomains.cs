using Vmm.Control.Domains;
using Vmm.Core.State;
using Vmm.Machine.Snapshot;

namespace Vmm.Cli.Domains;

/// <summary>The folder in which domains lie saved while the host is down: a file for each, by its name.</summary>
internal static class SavedDomains
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Saves a domain there, which ends it.</summary>
    /// <returns>False when it cannot be saved, which is said, and goes on.</returns>
    public static bool TrySave(DomainFolder folder, string name, string directory, TimeSpan patience)
    {
        try
        {
            Directory.CreateDirectory(directory, Private);
            CheckOwner(directory);
            SaveCommands.Save(folder, Path.Combine(directory, name), leaveRunning: false, leavePaused: false, patience);
            StandardError.Note($"'{name}' is saved");
            return true;
        }
        catch (Exception e) when (e is DomainException or DomainRefusedException or IOException or UnauthorizedAccessException)
        {
            StandardError.Error($"'{name}' is not saved and is shut down instead: {e.Message.ReplaceLineEndings(" ")}");
            return !folder.IsAlive;
        }
    }

    /// <summary>Has all domains go on that lie there; the files of those that do are removed.</summary>
    /// <param name="directory">The folder; none is as good as an empty one.</param>
    /// <param name="running">The names of the domains that run.</param>
    /// <returns>Their names, and whether they go on.</returns>
    /// <exception cref="DomainException">Others can write to the folder.</exception>
    public static IEnumerable<(string Name, bool GoesOn)> RestoreAll(string directory, IReadOnlySet<string> running)
    {
        if (!Directory.Exists(directory)) yield break;
        CheckOwner(directory);
        foreach (string path in Directory.GetFiles(directory).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(path);
            if (IsSaved(path) && !running.Contains(name)) yield return (name, TryRestore(path, name));
        }
    }

    private static bool TryRestore(string path, string name)
    {
        try
        {
            DomainConfig config = SaveCommands.ConfigOf(path);
            if (DomainProcess.Start(config, isPaused: false, isQuiet: true, out _, path) is not { } id) return false;
            StandardError.Note($"'{name}' goes on, with id {id}");
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is DomainException or StateException or IOException or UnauthorizedAccessException)
        {
            StandardError.Error($"'{name}' cannot go on: {e.Message.ReplaceLineEndings(" ")}");
            return false;
        }
    }

    private static bool IsSaved(string path)
    {
        try
        {
            return SnapshotReader.LooksLikeOne(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // What lies there decides what runs, with this user's rights.
    private static void CheckOwner(string directory)
    {
        if ((File.GetUnixFileMode(directory) & OthersWrite) != 0) throw new DomainException($"{directory} can be written by others than its owner");
    }
}
