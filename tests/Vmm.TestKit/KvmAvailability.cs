using Microsoft.Win32.SafeHandles;

namespace Vmm.TestKit;

/// <summary>Whether this host has a /dev/kvm that this process may use.</summary>
public static class KvmAvailability
{
    /// <summary>Null when KVM can be used, else why not.</summary>
    public static string? SkipReason { get; } = Find();

    private static string? Find()
    {
        try
        {
            using SafeFileHandle device = File.OpenHandle("/dev/kvm", FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "needs KVM: " + e.Message;
        }
    }
}
