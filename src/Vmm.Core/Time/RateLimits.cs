namespace Vmm.Core.Time;

/// <summary>The limits of one device or direction: a request passes when both allow it.</summary>
/// <param name="Bytes">Bytes that are moved.</param>
/// <param name="Operations">Requests, or packets.</param>
public readonly record struct RateLimits(TokenRate Bytes, TokenRate Operations)
{
    /// <summary>Whether there is any limit.</summary>
    public bool IsLimited => Bytes.IsLimited || Operations.IsLimited;
}
