namespace Vmm.Network.User.Tcp;

/// <summary>Sequence numbers compare around a circle (RFC 9293 §3.4).</summary>
internal static class Sequence
{
    public static bool IsBefore(uint a, uint b) => (int)(a - b) < 0;

    public static bool IsAfter(uint a, uint b) => (int)(a - b) > 0;

    /// <summary>How far <paramref name="a"/> is beyond <paramref name="b"/>; negative when it is before.</summary>
    public static int Distance(uint a, uint b) => (int)(a - b);
}
