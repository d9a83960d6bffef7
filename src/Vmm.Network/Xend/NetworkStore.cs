using System.Text.Json;
using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>The folder where it is written down what has been done to the host's network. Gone with a reboot, as the changes are.</summary>
public sealed class NetworkStore
{
    /// <summary>Where it is unless said otherwise.</summary>
    public const string DefaultFolder = "/run/vmm/network";

    private const string Suffix = ".json";
    private const int MostBytes = 16 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <param name="folder">Made if it is not there, for this user alone.</param>
    /// <exception cref="LinuxException">It cannot be made.</exception>
    public NetworkStore(string folder)
    {
        Folder = folder;
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"the folder of the networks cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Where it is.</summary>
    public string Folder { get; }

    /// <summary>The network namespace of this thread: "net:[4026531840]".</summary>
    /// <exception cref="LinuxException">The host does not tell.</exception>
    internal static string CurrentNamespace
        => new FileInfo("/proc/thread-self/ns/net").LinkTarget ?? throw new LinuxException("/proc/thread-self/ns/net is not there: is /proc mounted?");

    /// <summary>Lets nobody else change networks meanwhile.</summary>
    /// <exception cref="LinuxException">Somebody else has done so for a minute.</exception>
    public LockFile Lock() => LockFile.Take(Path.Combine(Folder, "lock"), Patience);

    /// <summary>All that is written down, by name.</summary>
    /// <exception cref="LinuxException">A journal cannot be read.</exception>
    public IReadOnlyList<NetworkJournal> List()
    {
        try
        {
            return [.. Directory.EnumerateFiles(Folder, "*" + Suffix).Order(StringComparer.Ordinal).Select(Read)];
        }
        catch (Exception e) when (e is IOException and not LinuxException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{Folder}: {e.Message}", e);
        }
    }

    /// <summary>Writes a journal in one step: who reads sees the old or the new one.</summary>
    /// <exception cref="LinuxException">It cannot be written.</exception>
    internal void Write(NetworkJournal journal)
    {
        string path = PathOf(journal), draft = path + ".new";
        try
        {
            File.WriteAllBytes(draft, JsonSerializer.SerializeToUtf8Bytes(journal, NetworkJson.Default.NetworkJournal));
            File.Move(draft, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{path} cannot be written, and nothing is changed that is not written down before: {e.Message}", e);
        }
    }

    /// <summary>Forgets a network.</summary>
    internal void Remove(NetworkJournal journal)
    {
        try
        {
            File.Delete(PathOf(journal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"{PathOf(journal)} cannot be removed: {e.Message}", e);
        }
    }

    /// <summary>Gives what is to be restored to another network that has changed the same settings and still needs them.</summary>
    /// <returns>False when there is none.</returns>
    internal bool HandOver(NetworkJournal from, SysctlStep step)
    {
        foreach (NetworkJournal other in List())
        {
            if (other.Plan.Name == from.Plan.Name || other.Namespace != from.Namespace) continue;
            if (other.Steps.OfType<SysctlStep>().FirstOrDefault(s => !s.Values.IsEmpty && s.Values[0].Name == step.Values[0].Name) is not { } same) continue;
            // Who came later found what the earlier one had set.
            if (other.Began > from.Began) Write(other with { Steps = other.Steps.Replace(same, step) });
            return true;
        }

        return false;
    }

    private static NetworkJournal Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MostBytes) throw new LinuxException($"{path} is no journal of a network: it is too long");
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), NetworkJson.Default.NetworkJournal) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new LinuxException($"{path} is no journal of a network: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private string PathOf(NetworkJournal journal) => Path.Combine(Folder, journal.Plan.Name + Suffix);
}
